# Where the registries of images and packages are slow or out of reach, name mirrors:
#   docker build --build-arg BASE_IMAGE=… --build-arg PIP_INDEX_URL=… .
# None is recorded in the image: the last stage declares no argument but those of its labels.
ARG BASE_IMAGE=python:3.13-slim

# Installs what is locked and hashed, and compiles it; only /venv and /app go on into the image. Bytecode names its
# source by hash, not by date, so that the same sources make the same files.
FROM ${BASE_IMAGE} AS build
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
COPY requirements.lock /build/
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --no-compile --disable-pip-version-check \
        --require-hashes --only-binary :all: -r /build/requirements.lock \
    && printf '#!/venv/bin/python\nfrom bot.__main__ import main\n\nmain()\n' > /venv/bin/reelwatch \
    && chmod 0755 /venv/bin/reelwatch \
    && /venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /venv/lib
COPY bot /app/bot
COPY storage /app/storage
RUN /venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /app

# A new volume takes owner and mode of the folder it is mounted at: /data, and /videos where DATA_DIR names it.
FROM ${BASE_IMAGE}
RUN echo 'reelwatch:x:10001:' >> /etc/group \
    && echo 'reelwatch:x:10001:10001::/data:/usr/sbin/nologin' >> /etc/passwd \
    && install -d -o 10001 -g 10001 -m 0700 /data /videos
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DATABASE_URL=sqlite:////data/reelwatch.db \
    DATA_DIR=/data \
    HEALTH_HOST=0.0.0.0 \
    HEALTH_PORT=8080 \
    WEBHOOK_HOST=0.0.0.0
ARG VERSION
ARG REVISION
ARG CREATED
ARG SOURCE
LABEL org.opencontainers.image.title="Reelwatch" \
    org.opencontainers.image.description="A Telegram bot that watches AI video tasks and brings the video to the chat." \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}" \
    org.opencontainers.image.source="${SOURCE}"
USER 10001:10001
VOLUME ["/data"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=20s --timeout=6s --start-period=60s --retries=2 CMD ["reelwatch", "health"]
ENTRYPOINT ["reelwatch"]
