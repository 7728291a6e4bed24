# The image of the pipeline's steps. KFP's launcher and the step's code come in at run time; nothing is installed then.
#   docker build -f steps.Dockerfile -t IMAGE .
# For steps on a GPU: --build-arg REQUIREMENTS=requirements-gpu.txt
FROM docker.io/library/python:3.12.12-slim-bookworm

ARG REQUIREMENTS=requirements.txt
COPY ${REQUIREMENTS} /tmp/requirements.txt
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r /tmp/requirements.txt \
    && rm /tmp/requirements.txt

COPY mnist /app/mnist
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp

# By number: Kubernetes can tell that it is not root.
USER 10001:10001
WORKDIR /tmp
