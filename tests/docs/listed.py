"""The commands of the pages that are not run, and why; test_listed.py checks what can be checked of them."""

DOWNLOADS = "it downloads, and makes what the tests themselves run on"
INSIDE = "the tests run within it"
THE_END = "`make test` ends with it"
REWRITES = "it changes the work tree"
LONG = "it takes too long for every run"
ENGINE = "it needs a container engine"
CLUSTER = "it needs a Kubernetes cluster"
TENANT = "it needs a tenant of Auth0 and the provider's download"
ROOT_ONLY = "it needs root to change a file's owner"
TIME = "it needs a machine with chrony or systemd"
ORIGINAL = "it is a command of the original demo, not one of ours"
WHAT_MAKE_DOES = "it says how the Makefile does it"

LISTED = {
    "make install": DOWNLOADS,
    "make lock": DOWNLOADS,
    "make lock LOCK=--upgrade": DOWNLOADS,
    "make lint": INSIDE,
    "make test": INSIDE,
    "make proofs": INSIDE,
    "make test PYTHON=python3.13 VENV=.venv-3.13": INSIDE,
    "pytest --randomly-seed=1234": INSIDE,
    "pytest -m proof tests/proofs -k kill": LONG,
    "pytest -m long": LONG,
    "make demo": THE_END,
    "make format": REWRITES,
    "make docs": REWRITES,
    "make bench": LONG,
    "python bench/benchmark.py --quick": LONG,
    "python bench/benchmark.py --write": LONG,
    "python3 -m venv /tmp/spikes": DOWNLOADS,
    "/tmp/spikes/bin/pip install --require-hashes -r requirements/runtime.txt": DOWNLOADS,
    "/tmp/spikes/bin/pip install -r bench/spikes/requirements.txt": DOWNLOADS,
    "/tmp/spikes/bin/python bench/spikes/server.py": LONG,
    "uv pip compile --universal": WHAT_MAKE_DOES,
    "docker compose up": ENGINE,
    "docker compose up --detach --wait": ENGINE,
    "docker compose up --detach --no-deps api-1": ENGINE,
    "docker compose build": ENGINE,
    "docker compose logs": ENGINE,
    "docker compose run --rm migrate": ENGINE,
    "docker compose exec assistance python -c …": ENGINE,
    "sudo chown 10001 tls/key.pem": ROOT_ONLY,
    'kubectl create secret generic assistance --from-literal=ASSISTANCE_SECRET_KEY="$(openssl rand -base64 48)" '
    "--from-literal=ASSISTANCE_DATABASE_URL=postgresql://user:password@host/db "
    "--from-literal=SLACK_TOKEN=xoxb-… "
    "--from-literal=SMTP_URL=smtps://user:password@mail.example.com": CLUSTER,
    "helm install assistance deploy/helm/assistance --set-file routing=assistance.yaml "
    "--set publicUrl=https://assistance.example.com --set oidc.issuer=https://example.eu.auth0.com/ "
    "--set oidc.audience=https://assistance.example.com/": CLUSTER,
    "helm upgrade --reuse-values --set-file …": CLUSTER,
    "terraform init": TENANT,
    "terraform plan": TENANT,
    "terraform apply": TENANT,
    "terraform output bot_client_id": TENANT,
    "chronyc tracking": TIME,
    "timedatectl": TIME,
    "poe dev": ORIGINAL,
    "poe start": ORIGINAL,
    "poe test": ORIGINAL,
    "test_service.sh": ORIGINAL,
}
