#!/usr/bin/env bash
# Holds the OpenAPI document to validators, makes three clients of it and runs the main job through each: openapi-python-client,
# openapi-typescript with tsc where there is npm, and openapi-generator for Java where there is javac. What is needed is from PyPI
# and npm, into .openapi of this folder, once.
#   scripts/clients.sh [program]
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$(realpath "${1:-target/debug/autodenoise}")
python=.openapi/bin/python
if [ ! -e .openapi/python-0.26.2 ]; then
    echo "clients: installing openapi-spec-validator and openapi-python-client into .openapi (once)" >&2
    python3 -m venv .openapi
    .openapi/bin/pip install --quiet openapi-spec-validator==0.7.2 openapi-python-client==0.26.2
    touch .openapi/python-0.26.2
fi
node=""
if command -v npm >/dev/null && command -v node >/dev/null; then
    node=.openapi/node_modules/.bin
    if [ ! -e .openapi/node-7.9.1 ]; then
        echo "clients: installing redocly, openapi-typescript and tsc into .openapi (once)" >&2
        npm install --silent --no-audit --no-fund --prefix .openapi \
            @redocly/cli@1.34.5 openapi-typescript@7.9.1 typescript@5.9.2 @types/node@20.19.0
        touch .openapi/node-7.9.1
    fi
else
    echo "clients: no npm, so that redocly and the client in TypeScript are left out" >&2
fi
# The generator's jar holds the libraries that what it makes is compiled with, but for one annotation.
jar=""
if command -v javac >/dev/null; then
    if [ ! -e .openapi/java-7.26.0 ]; then
        echo "clients: installing openapi-generator into .openapi (once)" >&2
        .openapi/bin/pip install --quiet openapi-generator-cli==7.26.0
        touch .openapi/java-7.26.0
    fi
    jar=$(echo "$PWD"/.openapi/lib/python3*/site-packages/openapi_generator_cli/openapi-generator.jar)
else
    echo "clients: no javac, so that the client in Java is left out" >&2
fi

.openapi/bin/openapi-spec-validator openapi/openapi.json
[ -z "$node" ] || REDOCLY_TELEMETRY=off "$node/redocly" lint openapi/openapi.json

# As root the private PostgreSQL runs as another user, which must be able to reach its folder.
state=$(mktemp -d /tmp/autodenoise-clients.XXXXXX)
chmod 755 "$state"
server=""
stop() {
    status=$?
    if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then
        kill -TERM "$server"
        wait "$server" || { echo "clients: the service ended with an error"; status=1; }
    fi
    [ "$status" = 0 ] || tail -5 "$state/log"
    rm -rf "$state"
    exit "$status"
}
trap stop EXIT
: >"$state/address"
"$bin" serve --listen 127.0.0.1:0 --data-dir "$state/data" --require-keys --threads 1 >"$state/address" 2>"$state/log" &
server=$!
until grep -q '^listening on ' "$state/address"; do
    kill -0 "$server" 2>/dev/null || { echo "clients: the service did not start"; exit 1; }
    sleep 0.1
done
AUTODENOISE_SERVER=$(sed -n 's/^listening on //p' "$state/address")
AUTODENOISE_API_KEY=$("$bin" keys create --scope write --data-dir "$state/data" --log warn 2>/dev/null)
export AUTODENOISE_SERVER AUTODENOISE_API_KEY
"$bin" synth "$state/clicks.csv" --users 100 --items 60 --rows 2000 --seed 1

# ruff only formats what was made.
.openapi/bin/openapi-python-client generate --path openapi/openapi.json --output-path "$state/denoise_client" --meta none \
    >"$state/generated" 2>&1 || { cat "$state/generated"; exit 1; }
PYTHONPATH="$state" "$python" tests/clients/main_job.py "$state/clicks.csv"

if [ -n "$node" ]; then
    mkdir "$state/typescript"
    cp tests/clients/main_job.ts "$state/typescript/"
    ln -s "$PWD/.openapi/node_modules" "$state/typescript/node_modules"
    "$node/openapi-typescript" openapi/openapi.json -o "$state/typescript/api.ts" >/dev/null 2>&1
    echo '{"type": "module"}' >"$state/typescript/package.json"
    (cd "$state/typescript" && node_modules/.bin/tsc --strict --target es2022 --module nodenext --types node main_job.ts)
    node "$state/typescript/main_job.js" "$state/clicks.csv"
fi

if [ -n "$jar" ]; then
    mkdir "$state/java"
    # `wait` is a method of every object in Java.
    properties=invokerPackage=denoise,apiPackage=denoise.api,modelPackage=denoise.model
    properties+=,useSingleRequestParameter=true,openApiNullable=false,failOnUnknownProperties=true,useJakartaEe=false,annotationLibrary=none
    java -jar "$jar" generate -g java --library native -i openapi/openapi.json -o "$state/java" \
        --additional-properties="$properties" --parameter-name-mappings wait=waitSeconds \
        --global-property=apiTests=false,modelTests=false,apiDocs=false,modelDocs=false \
        >"$state/generated" 2>&1 || { cat "$state/generated"; exit 1; }
    find "$state/java/src/main" tests/clients/java -name '*.java' >"$state/sources"
    javac -nowarn -proc:none -Xlint:none -cp "$jar" -d "$state/java/classes" "@$state/sources" 2>"$state/compiled" ||
        { cat "$state/compiled"; exit 1; }
    java -cp "$state/java/classes:$jar" MainJob "$state/clicks.csv"
fi
