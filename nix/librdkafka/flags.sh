# Optimised as one, because a record passes a dozen small functions of several files
# (docs/performance.md). The seed makes it the same bytes when built again.
export CFLAGS="-O3 -flto=auto -fno-semantic-interposition -frandom-seed=librdkafka"
export LDFLAGS="$CFLAGS ${LDFLAGS-}"
