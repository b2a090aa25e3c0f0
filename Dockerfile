# One bundled file on Node.js. The bundle is built first, outside: `npm ci`. So this build needs no
# network beyond its base image, and the file in the image is the file that the tests ran.
#
#   npm ci && docker build -t frp-k8s:dev .
#
# BASE may be any image with a `node` (24, or 22.19 and newer) and, for the gateway, a `sh` with `cat`, `rm` and `sleep` on
# its PATH.
ARG BASE=docker.io/library/node:24-slim
FROM ${BASE}
# .mjs: an ES module without a package.json beside it.
COPY dist/frp-k8s.js /app/frp-k8s.mjs
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/.cache
# Compiles the bundle once, as root, so that every start reads the result (the root file system is read-only later).
RUN ["node", "/app/frp-k8s.mjs", "--help"]
USER 65532:65532
ENTRYPOINT ["node", "/app/frp-k8s.mjs"]
CMD ["--help"]
