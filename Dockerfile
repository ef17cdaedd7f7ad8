# syntax=docker/dockerfile:1

# The build needs a C toolchain and no system headers: librdkafka, OpenSSL, zlib, zstd and
# SQLite are compiled from the sources in their crates. OpenSSL's build wants the whole of perl.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential perl pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The binary is copied out of the cache mount, which is gone after this step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --profile dist --locked -p spikewatch --features ballista,kafka-tls,schemas \
    && install -D target/dist/spikewatch /out/usr/local/bin/spikewatch \
    && install -d -m 0700 /out/var/lib/spikewatch

# glibc, libgcc, the certificates of public authorities, and nothing else: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/usr/local/bin/spikewatch /usr/local/bin/spikewatch
# A new named volume takes its owner and mode from here. 65532 is distroless's nonroot.
COPY --from=build --chown=65532:65532 /out/var/lib/spikewatch /var/lib/spikewatch
USER 65532:65532
WORKDIR /var/lib/spikewatch
VOLUME ["/var/lib/spikewatch"]
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/spikewatch"]
CMD ["run", "--config", "/etc/spikewatch/spikewatch.toml"]
