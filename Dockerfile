# Two stages: one with compilers, one with px, pxctl and the libraries they load. `make image` builds it.
# SPDX-License-Identifier: Apache-2.0
FROM debian:trixie-slim AS build
COPY . /src
WORKDIR /src
RUN scripts/install-deps build && make && make install PREFIX=/usr DESTDIR=/image

FROM debian:trixie-slim
RUN apt-get update && \
    apt-get install -y --no-install-recommends \
        libngtcp2-16 libngtcp2-crypto-gnutls8 libuv1t64 libjansson4 && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --system --uid 7001 --home-dir /var/lib/px --create-home px
COPY --from=build /image /
# The configuration, its certificates and data_dir are mounted; an application that shares the volume and the
# group 7001 reads and writes the pipes.
USER px
WORKDIR /var/lib/px
EXPOSE 7001/udp
ENTRYPOINT ["px"]
CMD ["/etc/px/px.json"]
