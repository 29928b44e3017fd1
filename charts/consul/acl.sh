# Gives Consul the settings of Autopilot and the policies beside this script, and the tokens of the Secret. Safe to run at any
# time; prints no secret.
set -eu
umask 077
here=$(dirname "$0")
say() { echo "consul-acl: $*"; }
secret() { cat "$CREDENTIALS/$1"; }

# ask METHOD PATH [FILE|-]: the answer's body, its status on a last line. The token is read from a file in memory.
ask() {
  curl --silent --max-time 20 --request "$1" --header "@$MEMORY/header" ${3:+--data-binary "@$3"} \
    --write-out '\n%{http_code}' "$CONSUL_HTTP_ADDR$2"
}
# must METHOD PATH [FILE|-]: the body; any status but 200 ends the run with a sentence.
must() {
  answer=$(ask "$@") || { say "$1 $2: no answer; the next try begins anew" >&2; exit 1; }
  [ "${answer##*
}" = 200 ] || { say "$1 $2 answered $answer" >&2; exit 1; }
  echo "${answer%
*}"
}

printf 'X-Consul-Token: %s\n' "$(secret management-token)" >"$MEMORY/header"

waited=0
until case $(curl --silent --max-time 5 "$CONSUL_HTTP_ADDR/v1/status/leader") in '"'?*'"') ;; *) false ;; esac; do
  [ "$waited" -lt 600 ] || { say "gave up: no leader at $CONSUL_HTTP_ADDR after $waited s" >&2; exit 1; }
  [ $((waited % 10)) != 0 ] || say "waiting for a leader at $CONSUL_HTTP_ADDR"
  sleep 1
  waited=$((waited + 1))
done

case $(ask GET /v1/acl/token/self) in
*'
200') ;;
*'
403')
  say 'the management token in the Secret is not one of this cluster. The servers take in a new one when they start:' >&2
  say 'restart them, then delete the old token, which stays valid until then; or restore the old value' >&2
  exit 1
  ;;
*) say 'the management token could not be checked; the next try begins anew' >&2; exit 1 ;;
esac

wanted=$(sed 's/}$//' "$here/autopilot.json")
[ -n "$wanted" ] || { say "$here/autopilot.json: it is empty" >&2; exit 1; }
now=$(must GET /v1/operator/autopilot/configuration)
case $now in
"$wanted"*) say 'autopilot: as it should be' ;;
*)
  must PUT /v1/operator/autopilot/configuration "$here/autopilot.json" >"$MEMORY/answer"
  say 'autopilot: changed'
  ;;
esac

for policy in agent app metrics anonymous; do
  rules=$(sed -n 's/.*\("Rules":".*"\)}$/\1/p' "$here/$policy.json")
  [ -n "$rules" ] || { say "$here/$policy.json: no rules at its end" >&2; exit 1; }
  now=$(ask GET "/v1/acl/policy/name/$policy") || :
  id=$(printf '%s\n' "$now" | sed -n 's/^{"ID":"\([0-9a-f-]*\)".*/\1/p')
  case $now in
  *"$rules"*) say "policy $policy: as it should be"; continue ;;
  esac
  must PUT "/v1/acl/policy${id:+/$id}" "$here/$policy.json" >"$MEMORY/answer"
  say "policy $policy: $([ -n "$id" ] && echo changed || echo created)"
done

# only ANSWER POLICY: the token that was answered has this policy and no other.
only() { [ "$(printf '%s\n' "$1" | sed -n 's/.*"Policies":\[{"ID":"[0-9a-f-]*","Name":"\([^"]*\)"}\].*/\1/p')" = "$2" ]; }

# token POLICY KEY ACCESSOR: the token has the Secret's value and this policy, whatever it had before.
token() {
  now=$(ask GET "/v1/acl/token/$3") || :
  case $now in
  *"\"SecretID\":\"$(secret "$2")\""*) if only "$now" "$1"; then say "token $1: as it should be"; return; fi ;;
  esac
  case $now in
  *'"SecretID":'*) must DELETE "/v1/acl/token/$3" >"$MEMORY/answer"; did=replaced ;;
  *) did=created ;;
  esac
  must PUT /v1/acl/token - >"$MEMORY/answer" <<END
{"AccessorID": "$3", "SecretID": "$(secret "$2")", "Description": "platform: $1", "Policies": [{"Name": "$1"}]}
END
  say "token $1: $did"
}
token agent agent-token 7f5af45e-a5fd-417f-bcc3-cdae90be3afe
token app app-token faa264ee-d781-4091-b5ee-e91c86cdbb65
token metrics metrics-token bbea2f08-955a-4956-9e1c-2a04a4e9526a

# The token of those who bring none: DNS answers by it.
anonymous=/v1/acl/token/00000000-0000-0000-0000-000000000002
if only "$(must GET "$anonymous")" anonymous; then
  say 'token anonymous: as it should be'
else
  must PUT "$anonymous" - >"$MEMORY/answer" <<END
{"Description": "Anonymous Token", "Policies": [{"Name": "anonymous"}]}
END
  say 'token anonymous: changed'
fi
