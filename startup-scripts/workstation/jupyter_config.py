"""JupyterLab's settings that hold a secret or a program; the rest is in the unit's command line."""

c = get_config()  # noqa: F821 - Jupyter gives it

with open("/var/lib/ml-workstation/jupyter-token", encoding="ascii") as token:
    c.IdentityProvider.token = token.read().strip()
c.PasswordIdentityProvider.allow_password_change = False
# Versions are pinned: a notice that a newer one is there helps nobody.
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash", "--login"]}
