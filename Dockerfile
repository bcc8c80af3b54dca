# One image for every service of docker-compose.yml: the library, `workers` and `tasks`.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/trackteroid

COPY pyproject.toml README.md LICENSE ./
COPY trackteroid trackteroid
RUN pip install --no-cache-dir ".[worker,cli,fast,sandbox]" flower

COPY workers workers
COPY tasks tasks

RUN useradd --create-home trackteroid
USER trackteroid

# SIGTERM ends a Celery worker warmly: a commit under way is finished or handed back.
STOPSIGNAL SIGTERM
CMD ["celery", "-A", "workers", "worker", "--loglevel", "INFO"]
