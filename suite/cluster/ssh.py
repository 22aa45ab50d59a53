"""How a script that stands in for `ssh` begins: it finds the host, and leaves the command as its arguments."""

# Options come before and after the host name; the rest is one line for the remote shell, as with the real ssh.
FIND_HOST = """\
#!/bin/sh
host=
while [ $# -gt 0 ]; do
  case "$1" in
    -o|-p|-i|-l|-F) shift 2 ;;
    -*) shift ;;
    *) if [ -z "$host" ]; then host=$1; shift; else break; fi ;;
  esac
done
"""
