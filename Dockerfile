# The binary in a small Debian image. Build it with: docker build -t syncline .
FROM rust:1-trixie AS build
WORKDIR /src
COPY . .
RUN cargo build --profile dist --locked -p syncline --features s3

FROM debian:trixie-slim
# ca-certificates: the provider is reached over TLS. curl: for health checks inside the container.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /var/lib/syncline --shell /usr/sbin/nologin syncline \
    && install -d -o syncline -g syncline -m 0700 /var/lib/syncline
COPY --from=build /src/target/dist/syncline /usr/local/bin/syncline

USER syncline
WORKDIR /var/lib/syncline
ENV SYNCLINE_LISTEN=0.0.0.0:8080 \
    SYNCLINE_DATA_DIR=/var/lib/syncline
# Without SYNCLINE_DATABASE_URL the embedded database and its encryption key live here.
VOLUME /var/lib/syncline
EXPOSE 8080
ENTRYPOINT ["syncline"]
CMD ["serve"]
