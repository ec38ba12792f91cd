# The coordinator and the command line. They compute nothing, so TensorFlow and ZeroMQ stay out.
#     docker build -f deploy/images/coordinator.Dockerfile -t prospect-coordinator .
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
RUN npm ci --omit=dev \
 && npm uninstall --omit=dev @tensorflow/tfjs-node-gpu node-api-headers zeromq \
 && npm cache clean --force

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="Prospect coordinator" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
WORKDIR /opt/prospect
COPY --from=dependencies /opt/prospect ./
COPY --from=build /src/dist dist
COPY coordinator/page/assets coordinator/page/assets
COPY deploy/demo/data deploy/demo/data
COPY deploy/demo/demo.yaml deploy/demo/demo.yaml
COPY deploy/examples deploy/examples
RUN chmod 0755 dist/deploy/cli/main.js \
 && ln -s /opt/prospect/dist/deploy/cli/main.js /usr/local/bin/prospect \
 && install -d -o 1000 -g 1000 /var/lib/prospect
# Kubernetes wants a number to know that it is not root.
USER 1000:1000
VOLUME /var/lib/prospect
EXPOSE 7070 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["node", "-e", "fetch('http://127.0.0.1:9464/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/coordinator/main.js"]
CMD ["--state-dir", "/var/lib/prospect", "--listen", "127.0.0.1:7070", "--metrics-listen", "0.0.0.0:9464"]
