# What a person reads who logs in on a terminal, and the way to the user who owns notebooks and bucket.
# shellcheck shell=sh
case $- in
  *i*)
    if [ "$(id -un)" = ml ]; then
      if [ -d /opt/ml/venv/bin ]; then
        VIRTUAL_ENV=/opt/ml/venv
        PATH="/opt/ml/venv/bin:/opt/ml/jupyter/bin:$PATH"
        export VIRTUAL_ENV PATH
      fi
    else
      # shellcheck disable=SC2032,SC2033 # for sudo, ml is the user
      ml() {
        if [ "$#" -eq 0 ]; then
          sudo -u ml -i
        else
          sudo -u ml -i -- "$@"
        fi
      }
      if [ -r /run/ml-workstation/login.txt ]; then
        cat /run/ml-workstation/login.txt
      else
        echo "This workstation is still starting; see: sudo journalctl -u google-startup-scripts -u mlt-workstation"
      fi
    fi
    ;;
  *) ;;
esac
