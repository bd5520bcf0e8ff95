# syntax=docker/dockerfile:1
# Two stages: the agent is built static in the first; the second holds it and nothing else: no shell,
# no package manager, no root. `docker build .` needs only Docker; `make image` also knows buildah.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=devel
RUN CGO_ENABLED=0 go build -buildvcs=false -trimpath -tags timetzdata \
      -ldflags "-s -w -X github.com/assayer-io/assayer/internal/version.Version=${VERSION}" -o /out/assayer ./cmd/assayer \
 && install -m 0644 /etc/ssl/certs/ca-certificates.crt /out/ca-certificates.crt \
 && install -d -m 0755 /out/data

FROM scratch
COPY --from=build /out/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 /out/data /var/lib/assayer
COPY --from=build /out/assayer /assayer
USER 65532:65532
VOLUME /var/lib/assayer
EXPOSE 9797
ENTRYPOINT ["/assayer"]
# The agent listens on loopback unless told otherwise. Outside a pod, add
# --web.listen-address 0.0.0.0:9797 and publish the port only where it is meant to be seen.
CMD ["run", "--config", "/etc/assayer/assayer.yaml"]
