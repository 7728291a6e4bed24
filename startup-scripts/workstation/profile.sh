# What a person reads who logs in on a terminal; for ml, the Python environment.
# shellcheck shell=sh
if [ "$(id -un)" = ml ]; then
  if [ -d /opt/ml/venv/bin ]; then
    VIRTUAL_ENV=/opt/ml/venv
    PATH="/opt/ml/venv/bin:/opt/ml/jupyter/bin:$PATH"
    export VIRTUAL_ENV PATH
  fi
else
  case $- in
    *i*)
      if [ -r /run/ml-workstation/login.txt ]; then
        cat /run/ml-workstation/login.txt
      else
        echo "This workstation is still starting; see: sudo journalctl -u google-startup-scripts -u mlt-workstation"
      fi
      ;;
    *) ;;
  esac
fi
