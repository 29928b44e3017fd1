# Starts a Consul server. Consul reads no secrets from variables, and arguments are visible in the process list: the secrets go
# into a configuration file in memory that only this user can read.
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
