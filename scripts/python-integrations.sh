#!/usr/bin/env bash
# The layers for MLflow, Dagster and Airflow on the real libraries, each in an environment of its own in .integrations: they do not
# agree on versions of what they share. Their types are checked there too. Some 700 MB from PyPI, once.
#   scripts/python-integrations.sh [program] [mlflow dagster airflow]
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1:-target/debug/autodenoise}
[ $# = 0 ] || shift
AUTODENOISE_PROGRAM=$(realpath "$program")
export AUTODENOISE_PROGRAM
declare -A packages=(
    [mlflow]="mlflow-skinny==3.17.2"
    [dagster]="dagster==1.13.29"
    [airflow]="apache-airflow==3.3.2"
)
[ $# != 0 ] || set -- mlflow dagster airflow
for layer in "$@"; do
    environment=.integrations/$layer
    if [ ! -e "$environment/${packages[$layer]}" ]; then
        echo "python-integrations: installing ${packages[$layer]} into $environment (once)" >&2
        python3 -m venv "$environment"
        "$environment/bin/pip" install --quiet "${packages[$layer]}" 'httpx>=0.25' 'pyarrow>=14' numpy pandas pytest pyright
        touch "$environment/${packages[$layer]}"
    fi
    "$environment/bin/pyright" --pythonpath "$environment/bin/python" "python/src/autodenoise/integrations/$layer.py"
    PYTHONPATH=python/src:python/tests/client "$environment/bin/python" -m pytest -q "python/tests/client/test_integrations_$layer.py"
done
