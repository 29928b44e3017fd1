# Applies to Consul the Autopilot settings and policies beside this script, and the tokens of the Secret. Safe to run at any time;
# prints no secret.
set -eu
umask 077
here=$(dirname "$0")
START_TIMEOUT=600 # seconds
log() { echo "consul-acl: $*"; }
fail() { log "$*" >&2; exit 1; }
secret() { cat "$CREDENTIALS/$1"; }

# request METHOD PATH [FILE|-]: prints the body of the response, then its status on a last line.
# curl reads the token from a file in memory, since arguments are visible in the process list.
request() {
  curl --silent --max-time 20 --request "$1" --header "@$MEMORY/header" ${3:+--data-binary "@$3"} \
    --write-out '\n%{http_code}' "$CONSUL_HTTP_ADDR$2"
}
# must METHOD PATH [FILE|-]: prints the body; fails unless the status is 200.
must() {
  response=$(request "$@") || fail "$1 $2: no response; the Job tries again"
  [ "${response##*
}" = 200 ] || fail "$1 $2 returned $response"
  echo "${response%
*}"
}

printf 'X-Consul-Token: %s\n' "$(secret management-token)" >"$MEMORY/header"

waited=0
until case $(curl --silent --max-time 5 "$CONSUL_HTTP_ADDR/v1/status/leader") in '"'?*'"') ;; *) false ;; esac; do
  [ "$waited" -lt "$START_TIMEOUT" ] || fail "gave up: no leader at $CONSUL_HTTP_ADDR after $waited s"
  [ $((waited % 10)) != 0 ] || log "waiting for a leader at $CONSUL_HTTP_ADDR"
  sleep 1
  waited=$((waited + 1))
done

case $(request GET /v1/acl/token/self) in
*'
200') ;;
*'
403')
  log "this cluster does not have the Secret's management token. Servers add a new one when they start: restart them, then" >&2
  fail 'delete the old token, which stays valid until then. Or restore the old value in the Secret'
  ;;
*) fail 'the management token could not be checked; the Job tries again' ;;
esac

wanted=$(sed 's/}$//' "$here/autopilot.json")
[ -n "$wanted" ] || fail "$here/autopilot.json is empty"
current=$(must GET /v1/operator/autopilot/configuration)
case $current in
"$wanted"*) log 'autopilot: up to date' ;;
*)
  must PUT /v1/operator/autopilot/configuration "$here/autopilot.json" >"$MEMORY/response"
  log 'autopilot: changed'
  ;;
esac

for policy in agent app metrics anonymous; do
  rules=$(sed -n 's/.*\("Rules":".*"\)}$/\1/p' "$here/$policy.json")
  [ -n "$rules" ] || fail "$here/$policy.json does not end with its rules"
  current=$(request GET "/v1/acl/policy/name/$policy") || :
  id=$(printf '%s\n' "$current" | sed -n 's/^{"ID":"\([0-9a-f-]*\)".*/\1/p')
  case $current in
  *"$rules"*) log "policy $policy: up to date"; continue ;;
  esac
  must PUT "/v1/acl/policy${id:+/$id}" "$here/$policy.json" >"$MEMORY/response"
  log "policy $policy: $([ -n "$id" ] && echo changed || echo created)"
done

# has_only POLICY TOKEN: whether a token, as Consul returned it, has this policy and no other.
has_only() { [ "$(printf '%s\n' "$2" | sed -n 's/.*"Policies":\[{"ID":"[0-9a-f-]*","Name":"\([^"]*\)"}\].*/\1/p')" = "$1" ]; }

# token POLICY KEY ACCESSOR: gives the token the Secret's value and this policy.
token() {
  current=$(request GET "/v1/acl/token/$3") || :
  case $current in
  *"\"SecretID\":\"$(secret "$2")\""*) if has_only "$1" "$current"; then log "token $1: up to date"; return; fi ;;
  esac
  # Consul does not change the value of a token.
  case $current in
  *'"SecretID":'*) must DELETE "/v1/acl/token/$3" >"$MEMORY/response"; change=replaced ;;
  *) change=created ;;
  esac
  must PUT /v1/acl/token - >"$MEMORY/response" <<END
{"AccessorID": "$3", "SecretID": "$(secret "$2")", "Description": "platform: $1", "Policies": [{"Name": "$1"}]}
END
  log "token $1: $change"
}
token agent agent-token 7f5af45e-a5fd-417f-bcc3-cdae90be3afe
token app app-token faa264ee-d781-4091-b5ee-e91c86cdbb65
token metrics metrics-token bbea2f08-955a-4956-9e1c-2a04a4e9526a

# Consul uses this token for requests without one; its DNS server does too.
anonymous=/v1/acl/token/00000000-0000-0000-0000-000000000002
current=$(must GET "$anonymous")
if has_only anonymous "$current"; then
  log 'token anonymous: up to date'
else
  must PUT "$anonymous" - >"$MEMORY/response" <<END
{"Description": "Anonymous Token", "Policies": [{"Name": "anonymous"}]}
END
  log 'token anonymous: changed'
fi
