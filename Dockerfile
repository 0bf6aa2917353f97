# A static program on an empty system: no shell, no package manager, not root.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath \
    -ldflags "-s -w -X github.com/ropeline/ropeline/internal/app.Version=${VERSION}" \
    -o /out/ropeline ./cmd/ropeline

# static has the certificates and the time zones that the program needs.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/ropeline /usr/local/bin/ropeline
ENV ROPELINE_LISTEN=:8080
EXPOSE 8080
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/ropeline"]
CMD ["serve"]
