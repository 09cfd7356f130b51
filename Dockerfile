FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_QUIET=1
WORKDIR /build
# Debian's security updates are wanted at every build, so versions are not pinned.
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils >/dev/null
COPY requirements/image.txt requirements/runtime.txt requirements/
# Two environments: what builds the wheel never reaches the one that is shipped, which has no pip of its own.
RUN python -m venv tools \
 && tools/bin/pip install --only-binary :all: --require-hashes -r requirements/image.txt \
 && python -m venv --without-pip /opt/assistance \
 && tools/bin/pip --python /opt/assistance/bin/python install --only-binary :all: --require-hashes -r requirements/runtime.txt
COPY LICENSE README.md assistance.yaml pyproject.toml ./
COPY src src
RUN tools/bin/pip wheel --no-deps --no-index --no-build-isolation --wheel-dir dist . \
 && tools/bin/pip --python /opt/assistance/bin/python install --no-deps --no-index dist/*.whl
COPY deploy/image/slim deploy/image/
# The bill of materials is checked against CycloneDX's schema; a wrong one fails the build.
RUN deploy/image/slim /opt/assistance \
 && mkdir /opt/assistance/share \
 && tools/bin/cyclonedx-py environment --output-reproducible --spec-version 1.6 \
      --output-file /opt/assistance/share/assistance.cdx.json /opt/assistance/bin/python

FROM python:3.13-slim
ARG VERSION=dev
LABEL org.opencontainers.image.title="Assistance API" \
      org.opencontainers.image.description="The hand-off from a bot to people" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# Nothing is installed at run time: the base image's pip goes. libpq wants its user to have a name.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3.*/site-packages/pip* /usr/local/lib/python3.*/ensurepip \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/assistance --shell /usr/sbin/nologin assistance \
 && install -d -o assistance -g assistance /var/lib/assistance
COPY --from=build /opt/assistance /opt/assistance
ENV PATH=/opt/assistance/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ASSISTANCE_CONFIG=/etc/assistance/assistance.yaml \
    ASSISTANCE_DATABASE_URL=sqlite:////var/lib/assistance/assistance.db
USER 10001:10001
WORKDIR /var/lib/assistance
VOLUME /var/lib/assistance
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
ENTRYPOINT ["assistance"]
CMD ["serve", "--host", "0.0.0.0"]
