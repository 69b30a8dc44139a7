# Berth itself, for a cluster or any container engine: `docker build --tag berth .`
# Behind a proxy that inspects TLS, add `--secret id=ca,src=<its certificates>`.

FROM debian:bookworm-slim AS libraries
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates npm \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /berth
COPY package.json package-lock.json ./
# Node comes from npm too (its package `node`), in the version that the lock file pins. PostgreSQL is the cluster's.
RUN --mount=type=secret,id=ca NODE_EXTRA_CA_CERTS=/run/secrets/ca npm ci --omit=optional --no-audit --no-fund \
 && cp node_modules/node/bin/node /usr/local/bin/node \
 && npm prune --omit=dev --omit=optional --no-audit --no-fund

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/berth berth \
 && install --directory --owner berth --group berth --mode 0711 /var/lib/berth
COPY --from=libraries /usr/local/bin/node /usr/local/bin/node
COPY --from=libraries /berth/node_modules /berth/node_modules
COPY package.json LICENSE /berth/
COPY src /berth/src
RUN printf '#!/bin/sh\nexec node /berth/src/cli/main.ts "$@"\n' > /usr/local/bin/berth && chmod 755 /usr/local/bin/berth
ENV BERTH_HOME=/var/lib/berth BERTH_LISTEN=0.0.0.0
USER 10001:10001
VOLUME /var/lib/berth
EXPOSE 4600
CMD ["node", "/berth/src/server.ts"]
