"""What tests of frames ask for."""

# A method that chooses in a moment, and models of one pass: what is tested is how frames go in and rows come out.
OPTIONS = {
    "label": "click",
    "split_column": "split",
    "exclude": ["timestamp"],
    "method": "random_drop",
    "backbone": "fm",
    "tune": "off",
    "option": {"retrain_max_epoch": 1},
    "certify": False,
}
