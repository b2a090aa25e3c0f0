# The bundle on Node.js. It is built first, outside: `npm ci`. So this build needs no network beyond its base image, and what is
# in the image is what the tests ran.
#
#   npm ci && docker build -t frp-k8s:dev .
#   npm ci && docker build -t frp-k8s-gateway:dev --target gateway .     a whole gateway: frp-k8s gateway up
#
# BASE may be any image with a `node` (24, or 22.19 and newer) and, for the gateway, a `sh` with `cat`, `rm` and `sleep` on
# its PATH. With START=plain each build gives the same bytes, and each start takes a tenth of a second more.
ARG BASE=docker.io/library/node:24-slim
ARG HAPROXY=docker.io/library/haproxy:2.6
ARG FRPS=docker.io/fatedier/frps:v0.71.0

FROM ${FRPS} AS frps

FROM ${BASE} AS program
LABEL org.opencontainers.image.title=frp-k8s \
      org.opencontainers.image.description="frpc sidecars for Kubernetes by annotation, and their gateway" \
      org.opencontainers.image.licenses=Apache-2.0
# .mjs: an ES module without a package.json beside it.
COPY dist/frp-k8s.js /app/frp-k8s.mjs
COPY dist/parts /app/parts
# Compiles every part once, as root, so that every start reads the result (the root file system is read-only later).
ARG START=compiled
RUN ["node", "-e", "if (process.env.START === 'compiled') (async () => { require('node:module').enableCompileCache('/app/.cache'); for (const part of require('node:fs').readdirSync('/app/parts')) await import('/app/parts/' + part); })()"]
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/.cache
USER 65532:65532
ENTRYPOINT ["node", "/app/frp-k8s.mjs"]
CMD ["--help"]

# Both are Debian's, so node runs beside HAProxy and its libraries.
FROM ${HAPROXY} AS gateway
LABEL org.opencontainers.image.title=frp-k8s-gateway \
      org.opencontainers.image.description="The gateway of frp-k8s for a machine without Kubernetes" \
      org.opencontainers.image.licenses=Apache-2.0
ARG NODE=/usr/local/bin/node
COPY --from=program ${NODE} /usr/local/bin/node
COPY --from=frps /usr/bin/frps /usr/bin/frps
COPY --from=program /app /app
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/.cache
USER 0:0
# A volume that is new has the owner and the mode of what is here.
RUN mkdir -p /var/lib/frp-k8s && chown 65532:65532 /var/lib/frp-k8s && chmod 700 /var/lib/frp-k8s
USER 65532:65532
EXPOSE 8080 8443 7000
ENTRYPOINT ["node", "/app/frp-k8s.mjs"]
CMD ["gateway", "up", "--help"]

FROM program
