# Images of the service: three targets, of which the last is built where none is named.
#   service        the program alone, for a PostgreSQL elsewhere
#   service-torch  the same, and the trainer on libtorch (its CPU part)
#   standalone     the program with a PostgreSQL of its own, for `docker run` alone
# docker/build.sh builds them with docker, podman or buildah. BASE and RUST may name a digest (name@sha256:…), which
# docs/operations.md says how to get.
ARG BASE=docker.io/library/debian:bookworm-slim
ARG RUST=docker.io/library/rust:1.95-bookworm

# --- What is compiled ----------------------------------------------------------------------------------------------
FROM ${RUST} AS dependencies
WORKDIR /src
# The manifests alone, with sources that are empty: the layer of the dependencies stays until Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY torch/Cargo.toml torch/
RUN mkdir -p src benches torch/src && \
    touch src/lib.rs torch/src/lib.rs && \
    for main in src/main.rs torch/src/main.rs benches/ingest.rs; do echo 'fn main() {}' >"$main"; done && \
    cargo build --release --locked --package autodenoise

FROM dependencies AS build
COPY build.rs askama.toml ./
COPY migrations migrations
COPY src src
# Cargo goes by times, and sources may be older than the empty ones that were built before them.
RUN find src -name '*.rs' -exec touch {} + && cargo build --release --locked --package autodenoise

FROM build AS build-torch
RUN apt-get update && apt-get install -y --no-install-recommends g++ python3 python3-pip && rm -rf /var/lib/apt/lists/*
# The part of setup.sh about libtorch alone: what is installed by apt there is not needed to compile.
COPY scripts/setup.sh scripts/
RUN scripts/setup.sh --libtorch
COPY torch torch
RUN find torch -name '*.rs' -exec touch {} + && cargo build --release --locked --package autodenoise-torch
# Only libraries that are opened: headers and Python files stay behind.
RUN mkdir -p /out/torch/lib /out/nvidia/cu13/lib && \
    cp -L .torch/site/torch/lib/libtorch_cpu.so .torch/site/torch/lib/libc10.so .torch/site/torch/lib/libgomp*.so* /out/torch/lib/ && \
    cp -L .torch/site/nvidia/cu13/lib/libcudart.so.* .torch/site/nvidia/cu13/lib/libcupti.so.* /out/nvidia/cu13/lib/

# What was built elsewhere takes the place of this stage: --build-context programs=FOLDER.
FROM scratch AS programs
COPY --from=build /src/target/release/autodenoise /

# --- What runs -----------------------------------------------------------------------------------------------------
FROM ${BASE} AS runtime
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* && \
    groupadd --system --gid 10001 autodenoise && \
    useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/autodenoise autodenoise && \
    install -d -o 10001 -g 10001 -m 711 /var/lib/autodenoise
# On all addresses of the container: what of it others reach is for whoever publishes ports to say. Health has a port of its
# own in both roles, so that one check does for both.
ENV AUTODENOISE_DATA_DIR=/var/lib/autodenoise \
    AUTODENOISE_LISTEN=0.0.0.0:8080 \
    AUTODENOISE_HEALTH_LISTEN=0.0.0.0:8081 \
    AUTODENOISE_LOG_FORMAT=json
USER 10001:10001
WORKDIR /var/lib/autodenoise
VOLUME /var/lib/autodenoise
EXPOSE 8080 8081
# The program ends its own children and heeds SIGTERM as process 1, so no init stands before it.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["autodenoise", "healthcheck"]
CMD ["autodenoise", "serve"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="AutoDenoise" \
      org.opencontainers.image.description="Finds the rows of a click dataset worth training on, and proves it" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM runtime AS service
COPY --from=programs /autodenoise /usr/local/bin/

FROM service AS service-torch
USER root
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY --from=build-torch /out /opt/torch
COPY --from=build-torch /src/target/release/autodenoise-torch /usr/local/bin/
# For a GPU, mount a PyTorch 2.11 with CUDA and put its torch/lib first.
ENV LD_LIBRARY_PATH=/opt/torch/torch/lib
USER 10001:10001

FROM runtime AS standalone
USER root
RUN mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf && \
    apt-get update && apt-get install -y --no-install-recommends postgresql-15 && rm -rf /var/lib/apt/lists/*
COPY --from=programs /autodenoise /usr/local/bin/
USER 10001:10001
