# The image of the model's server and of the page's. Model and examples are mounted at /served.
#   docker build -f serving.Dockerfile -t IMAGE .
FROM docker.io/library/python:3.12.12-slim-bookworm

COPY serving.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r /tmp/requirements.txt \
    && rm /tmp/requirements.txt

COPY mnist /app/mnist
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

USER 10001:10001
WORKDIR /app
EXPOSE 8080
