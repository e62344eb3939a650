# The build stage installs what is locked and hashed; its venv is all that goes on into the image.
FROM python:3.13-slim AS build
COPY requirements.lock .
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary :all: -r requirements.lock

FROM python:3.13-slim
RUN groupadd --gid 10001 reelwatch \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin reelwatch \
    && install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=build /venv /venv
WORKDIR /app
COPY bot bot
COPY storage storage
RUN /venv/bin/python -m compileall -q bot storage
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DATABASE_URL=sqlite:////data/reelwatch.db \
    HEALTH_HOST=0.0.0.0 \
    HEALTH_PORT=8080
USER 10001:10001
VOLUME ["/data"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "bot", "health"]
ENTRYPOINT ["python", "-m", "bot"]
