# The service with its own PostgreSQL, and the trainer on libtorch (its CPU part) beside it. For a GPU, mount a PyTorch 2.11
# with CUDA and put its torch/lib first in LD_LIBRARY_PATH.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-pip postgresql-15 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN scripts/setup.sh --torch && cargo build --release --locked --workspace
# Only the libraries: headers and Python files stay behind.
RUN mkdir -p /out/site/torch/lib /out/site/nvidia/cu13 && \
    cp -L .torch/site/torch/lib/libtorch_cpu.so .torch/site/torch/lib/libc10.so /out/site/torch/lib/ && \
    cp -L .torch/site/torch/lib/libgomp*.so* /out/site/torch/lib/ 2>/dev/null || true && \
    cp -r .torch/site/nvidia/cu13/lib /out/site/nvidia/cu13/lib

FROM debian:bookworm-slim
RUN apt-get update && \
    mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf && \
    apt-get install -y --no-install-recommends postgresql-15 libgomp1 ca-certificates && rm -rf /var/lib/apt/lists/* && \
    useradd --system --create-home --home-dir /var/lib/autodenoise autodenoise
COPY --from=build /out/site /opt/torch
COPY --from=build /src/target/release/autodenoise /src/target/release/autodenoise-torch /usr/local/bin/
ENV LD_LIBRARY_PATH=/opt/torch/torch/lib AUTODENOISE_DATA_DIR=/var/lib/autodenoise
USER autodenoise
VOLUME /var/lib/autodenoise
EXPOSE 8080
HEALTHCHECK CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && head -1 <&3 | grep -q 200"]
# It starts once there is an API key on its volume: docker run --rm -v … <image> autodenoise keys create --scope admin
CMD ["autodenoise", "serve", "--listen", "0.0.0.0:8080"]
