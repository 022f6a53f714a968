# One image for every part: `docker run listenback worker`, `... report`, `... topics create`.
# tests/packaging follows the RUN lines below in a clean environment.

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

RUN python -m venv /opt/build
COPY requirements/build.txt requirements/build.txt
RUN /opt/build/bin/python -m pip install --require-hashes -r requirements/build.txt

RUN python -m venv /opt/listenback
COPY requirements/run.txt requirements/run.txt
RUN /opt/listenback/bin/python -m pip install --require-hashes -r requirements/run.txt

COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY streams streams
COPY analytics analytics
COPY listenback listenback
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist .
RUN /opt/listenback/bin/python -m pip install --no-deps --no-index --find-links dist listenback

FROM python:3.13-slim-bookworm
COPY --from=build /opt/listenback /opt/listenback
RUN useradd --system --uid 10001 --create-home listenback \
    && install --directory --owner listenback --group listenback /data
USER listenback
WORKDIR /data
ENV PATH=/opt/listenback/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LISTENBACK_DATA_DIR=/data
VOLUME /data
STOPSIGNAL SIGTERM
ENTRYPOINT ["listenback"]
CMD ["--help"]
