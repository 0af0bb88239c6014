# gpt-api as an image; docs/docker.md tells how it is run.
#
#   docker build -t gpt-oss-20b .                              x86-64 with AVX2 (2013 and later), or arm64
#   docker build -t gpt-oss-20b --build-arg NATIVE=ON .        for the very processor that builds it
#   docker build -t gpt-oss-20b --build-arg CUDA=12.8.1 .      for NVIDIA cards
#
# CUDA is the version of NVIDIA's images, at most what the driver can run. CMAKE_ARGS goes to llama.cpp's
# build: with -DCMAKE_CUDA_ARCHITECTURES=89 it is done for one kind of card alone, in a tenth of the time.
ARG CUDA=
ARG BUILD_IMAGE=${CUDA:+nvidia/cuda:${CUDA}-devel-ubuntu24.04}
ARG RUN_IMAGE=${CUDA:+nvidia/cuda:${CUDA}-runtime-ubuntu24.04}

FROM ${BUILD_IMAGE:-debian:13-slim} AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential python3 python3-pip python3-venv \
    && python3 -m venv --without-pip /opt/gpt-api
WORKDIR /src

# The engine first: it takes longest. Everything is what requirements.lock says, to the checksum.
ARG CUDA
ARG NATIVE=OFF
ARG CMAKE_ARGS=
COPY requirements.lock ./
# A build has no driver to link with, only the card's machine has.
RUN portable="" \
    && if [ "$NATIVE" = OFF ] && [ "$(uname -m)" = aarch64 ]; then \
        portable="-DGGML_CPU_ARM_ARCH=armv8.2-a+dotprod+fp16"; \
    fi \
    && export CMAKE_ARGS="-DGGML_NATIVE=$NATIVE $portable \
        ${CUDA:+-DGGML_CUDA=ON -DCMAKE_EXE_LINKER_FLAGS=-Wl,--allow-shlib-undefined} $CMAKE_ARGS" \
    && sed -n '/^llama-cpp-python==/,/[^\\]$/p' requirements.lock >engine.lock \
    && python3 -m pip --python /opt/gpt-api/bin/python install --no-cache-dir --no-deps \
        --require-hashes --no-binary llama-cpp-python -r engine.lock
RUN python3 -m pip --python /opt/gpt-api/bin/python install --no-cache-dir \
    --require-hashes -r requirements.lock
# Beside the engine its build leaves what only compilers want, and every library under three names.
RUN rm -r /opt/gpt-api/lib/python3*/site-packages/include /opt/gpt-api/lib/python3*/site-packages/lib \
    && for library in /opt/gpt-api/lib/python3*/site-packages/llama_cpp/lib/*.so; do \
        for name in "$library".*; do ln -sf "$(basename "$library")" "$name"; done; \
    done

COPY requirements.txt pyproject.toml README.md LICENSE ./
COPY models/gpt-oss-tiny.gguf models/
COPY server server
RUN python3 -m pip --python /opt/gpt-api/bin/python install --no-cache-dir --no-deps .

FROM ${RUN_IMAGE:-debian:13-slim}
LABEL org.opencontainers.image.title="gpt-api" \
    org.opencontainers.image.description="An OpenAI-compatible server for gpt-oss" \
    org.opencontainers.image.licenses="MIT"
# Folders belong to the group root too: some platforms run images as a user of their own choice.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libgomp1 libstdc++6 python3 tini \
    && rm -rf /var/lib/apt/lists/* \
    && if ! getent passwd 1000; then \
        useradd --uid 1000 --home-dir /app --no-create-home --shell /usr/sbin/nologin gpt-api; \
    fi \
    && install -d -o 1000 -g 0 -m 775 /app /app/models
COPY --from=build /opt/gpt-api /opt/gpt-api
COPY scripts/container /usr/local/bin/container

ARG CUDA
ENV PATH=/opt/gpt-api/bin:$PATH \
    HOME=/app \
    PYTHONUNBUFFERED=1
# Docker ends what has not ended ten seconds after it was told to: the answers must have ended before.
ENV HOST=0.0.0.0 \
    PORT=8000 \
    EXTRA_PORTS=8080 \
    MODEL_PATH=gpt-oss-20b \
    MODELS_DIR=/app/models \
    PREFIX_CACHE_DIR=/app/models/.gpt-api/prefixes \
    SHUTDOWN_TIMEOUT_SECONDS=8 \
    REQUIRE_GPU=${CUDA:+1}
EXPOSE 8000 8080
USER 1000
# Here a name like gpt-oss-20b means a file of that name first, and only then a download.
WORKDIR /app/models
HEALTHCHECK --interval=15s --timeout=5s --start-period=2h --retries=3 CMD ["container", "health"]
# tini ends at once what is told to end before it listens, which process 1 by itself does not.
ENTRYPOINT ["tini", "-s", "--", "container"]
CMD ["serve"]
