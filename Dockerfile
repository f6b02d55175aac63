# One static binary for every role: manager, worker, service and lookup.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY main.go ./
COPY api/ api/
COPY controllers/ controllers/
COPY internal/ internal/
ARG TARGETOS TARGETARCH VERSION COMMIT
# The tags are the Makefile's BUILD_TAGS.
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -tags disable_grpc_modules,arrow_json_stdlib -trimpath \
    -ldflags "-s -w -X exactmatch.dev/operator/internal/version.number=$VERSION -X exactmatch.dev/operator/internal/version.commit=$COMMIT" -o /exactmatch .

FROM gcr.io/distroless/static:nonroot
COPY --from=build /exactmatch /exactmatch
USER 65532:65532
ENTRYPOINT ["/exactmatch"]
CMD ["manager"]
