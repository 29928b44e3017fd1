# Starts a Consul server. Its secrets go from their files into one in memory that only this user reads: Consul knows no
# variables in its configuration, and an argument would stand in the process list.
set -eu
umask 077
secret() { cat "$CREDENTIALS/$1"; }
cat >"$MEMORY/secrets.hcl" <<END
encrypt = "$(secret gossip-key)"
acl {
  tokens {
    initial_management = "$(secret management-token)"
    agent = "$(secret agent-token)"
    config_file_service_registration = "$(secret agent-token)"
  }
}
END
exec consul agent -config-file="$MEMORY/secrets.hcl" "$@"
