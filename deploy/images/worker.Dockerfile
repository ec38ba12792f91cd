# Workers and reference replicas, with native TensorFlow. Everything else of Prospect is in it too, so that one
# container can train by itself (deploy/compose.yaml).
#     docker build -f deploy/images/worker.Dockerfile --target cpu  -t prospect-worker:cpu .
#     docker build -f deploy/images/worker.Dockerfile --target cuda -t prospect-worker:cuda .
# Pass NODE_IMAGE=node:22-bookworm-slim@sha256:… where the base must be one and the same for ever.
ARG NODE_IMAGE=node:22-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY proto proto
COPY lib lib
COPY coordinator coordinator
COPY worker worker
COPY deploy deploy
RUN npm run build

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /opt/prospect
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm cache clean --force

# Only what set-up itself consists of is copied, so that a change elsewhere does not fetch gigabytes again.
FROM dependencies AS set-up
# Debian keeps one version of a package at a time: a pinned one is gone with the next security fix.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ python3 python3-pip \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/dist/lib dist/lib
COPY --from=build /src/dist/deploy/tensorflow dist/deploy/tensorflow
COPY --from=build /src/dist/deploy/images dist/deploy/images
COPY --from=build /src/dist/worker/tensorflow/probe.js dist/worker/tensorflow/probe.js
ENV PROSPECT_CACHE=/opt/prospect/cache

FROM set-up AS native-cpu
ENV PROSPECT_TENSORFLOW=cpu
RUN node dist/deploy/images/set-up.js

FROM set-up AS native-cuda
ENV PROSPECT_TENSORFLOW=cuda
RUN node dist/deploy/images/set-up.js

FROM ${NODE_IMAGE} AS base
LABEL org.opencontainers.image.title="Prospect worker" \
      org.opencontainers.image.licenses="Apache-2.0"
# The library lies in the cache, read-only; the reference's answers go to a folder of it that can be a volume.
ENV NODE_ENV=production PROSPECT_CACHE=/opt/prospect/cache GLIBC_TUNABLES=glibc.malloc.hugetlb=1
WORKDIR /opt/prospect
RUN ln -s /opt/prospect/dist/deploy/cli/main.js /usr/local/bin/prospect \
 && install -d -o 1000 -g 1000 /var/lib/prospect cache/reference
COPY --chmod=0755 deploy/images/worker-entrypoint.sh /usr/local/bin/worker-entrypoint
COPY coordinator/page/assets coordinator/page/assets
COPY deploy/demo/data deploy/demo/data
COPY deploy/demo/demo.yaml deploy/demo/demo.yaml
COPY deploy/examples deploy/examples
VOLUME ["/var/lib/prospect", "/opt/prospect/cache/reference"]
ENTRYPOINT ["worker-entrypoint"]
CMD ["dist/deploy/cli/main.js", "--help"]

FROM base AS cuda
ENV PROSPECT_TENSORFLOW=cuda NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=native-cuda /opt/prospect/cache cache
COPY --from=native-cuda /opt/prospect/node_modules node_modules
COPY --from=native-cuda /opt/prospect/package.json ./
COPY --from=build /src/dist dist
RUN chmod 0755 dist/deploy/cli/main.js
USER 1000:1000

FROM base AS cpu
ENV PROSPECT_TENSORFLOW=cpu
COPY --from=native-cpu /opt/prospect/cache cache
COPY --from=native-cpu /opt/prospect/node_modules node_modules
COPY --from=native-cpu /opt/prospect/package.json ./
COPY --from=build /src/dist dist
RUN chmod 0755 dist/deploy/cli/main.js
USER 1000:1000
