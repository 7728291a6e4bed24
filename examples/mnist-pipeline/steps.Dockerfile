# The image of the pipeline's steps. KFP's launcher and the step's code come in at run time; nothing is installed then.
#   docker build -f steps.Dockerfile -t IMAGE .
# For steps on a GPU: --build-arg REQUIREMENTS=requirements-gpu.txt
FROM docker.io/library/python:3.12.12-slim-bookworm

ARG REQUIREMENTS=requirements.txt
COPY build.txt ${REQUIREMENTS} /tmp/locks/
# One package comes as source only; what builds it is locked, too.
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r /tmp/locks/build.txt \
    && pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: \
    --no-binary kfp-server-api --no-build-isolation -r "/tmp/locks/${REQUIREMENTS}" \
    && rm -r /tmp/locks

COPY mnist /app/mnist
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp

# By number: Kubernetes can tell that it is not root.
USER 10001:10001
WORKDIR /tmp
