//! Everything in one sitting: from the sign-in over a table and a job to its verdict and its rows, and out again.

use crate::{
    browser::Browser,
    harness::{Service, clicks, scratch},
    make_key,
};
use std::time::{Duration, Instant};

/// Waits until something holds that a page shows by and by.
fn until(what: &str, service: &Service, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(240);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}\n{}", service.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn from_the_sign_in_to_the_verdict_and_out_again() {
    let dir = scratch();
    let data = dir.path().join("data");
    let table = clicks(dir.path(), 200, 100);
    let service = Service::start_with(&data, &["--require-keys"]);
    let ours = make_key(&data, &["--tenant", "ours"]);
    let theirs = make_key(&data, &["--tenant", "theirs"]);
    let browser = Browser::open(&service.url);

    // In.
    browser.goto("/");
    assert_eq!(browser.path(), "/sign-in");
    browser.picture("sign-in");
    browser.fill("#key", &ours);
    browser.click(".sign-in button");
    browser.wait_for(".empty");
    assert_eq!(browser.path(), "/jobs");
    browser.picture("jobs-none");
    browser.check();

    // A table, in parts; its columns are guessed, and one click makes a column the label instead of another.
    browser.click(".who .button.main");
    browser.wait_for("form.scripted");
    browser.picture("new-table");
    browser.choose_file("input[type=file]", table.to_str().unwrap());
    browser.click("form.upload button");
    browser.wait_for("table.columns");
    browser.picture("new-columns");
    let label = "return document.querySelector('input[value=label]:checked').closest('tr').cells[0].innerText";
    assert_eq!(browser.run(label), "click");
    browser.click("table.columns tr:first-child input[value=label] + span");
    assert_ne!(browser.run(label), "click");
    assert_eq!(browser.count("input[value=label]:checked"), 1, "there is one label");
    browser.run("document.querySelectorAll('table.columns tbody tr').forEach((row) => { if (row.cells[0].innerText === 'click') row.querySelector('input[value=label] + span').click(); })");
    browser.click("main form button.main");
    // The form of the job comes by itself, once the table is read.
    browser.wait_for("select[name=method]");
    let form = browser.path();
    browser.goto(form.strip_suffix("/new-job").unwrap());
    browser.picture("dataset");
    browser.check();

    // A plan, and the job.
    browser.click("a[href$=new-job]");
    browser.select("select[name=method]", "paper");
    browser.select("select[name=backbone]", "fm");
    browser.fill("input[name=tags]", "night=1");
    browser.click("details summary");
    let options =
        r#"{"epochs": 6, "warmup_epochs": 3, "batch_size": 256, "retrain_max_epoch": 8, "select_ratio": 0.9}"#;
    browser.run(&format!("document.querySelector('textarea').value = {options:?}"));
    browser.click("button[name=plan]");
    browser.wait_for("#planned");
    assert!(browser.text("#planned").contains("Smallest gain it can tell"), "{}", browser.text("#planned"));
    browser.picture("new-job");
    browser.click("button[formmethod=post]");
    browser.wait_for(".job-head");
    let job = browser.path();

    // The curve grows by itself, without the page being loaded again.
    browser.run("window.untouched = true");
    let points = || browser.count("#chart-run .wide circle");
    until("a curve", &service, || points() > 1);
    let before = points();
    browser.picture("job-running");
    until("a longer curve", &service, || points() > before);
    assert_eq!(browser.run("return window.untouched"), true, "it grew in place");
    browser.check();
    until("the verdict", &service, || browser.has(".verdict .sentence"));
    let sentence = browser.text(".verdict .sentence");
    assert!(sentence.contains("denoised rows") && sentence.contains("95 % interval"), "{sentence}");
    assert!(
        browser.has(".title-line .badge.good, .title-line .badge.bad, .title-line .badge.warn"),
        "the verdict's badge"
    );
    browser.picture("job");
    browser.goto("/jobs");
    assert!(browser.text("tbody").contains("night=1"));
    browser.picture("jobs");
    browser.check();

    // Its rows: a page, the next one, and those of one user.
    browser.goto(&job);
    browser.goto(&format!("{job}/report"));
    assert!(browser.text("header").contains("clicks.csv"), "{}", browser.text("header"));
    browser.picture("report");
    browser.goto(&job);
    browser.click(".tabs a[href$=rows]");
    let first = browser.text("table.rows tbody td");
    browser.picture("rows");
    browser.click("a[rel=next]");
    until("the next rows", &service, || browser.text("table.rows tbody td") != first);
    browser.back();
    browser.select("select[name=column]", "user");
    let at = "[...document.querySelectorAll('table.rows th')].findIndex((head) => head.innerText == 'user')";
    let user = browser.run(&format!("return document.querySelector('table.rows tbody tr').cells[{at}].innerText"));
    browser.fill("input[name=value]", user.as_str().unwrap());
    browser.click(".filters button");
    browser.wait_for(".filters a");
    let rows = "[...document.querySelectorAll('table.rows tbody tr')]";
    let users = format!("return [...new Set({rows}.map((row) => row.cells[{at}].innerText))]");
    assert_eq!(browser.run(&users), serde_json::json!([user]));
    browser.click(".tabs a[href$=results]");
    browser.wait_for("table.files");
    browser.picture("results");
    browser.goto("/compare?tag=night%3D1");
    browser.picture("compare");
    browser.goto("/datasets");
    browser.picture("datasets");
    browser.check();

    // By keys alone.
    browser.goto("/jobs");
    browser.run("document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '/', bubbles: true}))");
    assert_eq!(browser.run("return document.activeElement.name"), "tag");

    // Out: nothing is shown any more, by going back neither. Another tenant sees nothing.
    browser.click(".menu summary");
    browser.click(".menu button");
    browser.wait_for("#key");
    browser.back();
    browser.goto(&job);
    assert_eq!(browser.path(), "/sign-in");
    browser.check();
    browser.fill("#key", &theirs);
    browser.click(".sign-in button");
    browser.wait_for("h1");
    until("an answer", &service, || browser.path() == job);
    assert!(browser.text("main").contains("404") && !browser.text("body").contains("night=1"));
    browser.picture("not-found");
    let complaints = browser.take_complaints();
    assert!(complaints.iter().all(|complaint| complaint.contains("404")), "{complaints:?}");
    for path in ["/jobs", "/datasets", "/compare"] {
        browser.goto(path);
        assert!(browser.has(".empty") && !browser.text("main").contains("night=1"), "{}", browser.text("main"));
    }
    browser.check();
}
