# Gives Consul the policies beside this script and the tokens of the Secret. Safe to run at any time; prints no secret.
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
*)
  say 'the management token in the Secret is not one of this cluster: it was applied when the servers first started,' >&2
  say 'and a Secret made anew does not change it. Restore the old value, or reset the ACL system' >&2
  exit 1
  ;;
esac

for policy in agent app metrics anonymous; do
  id=$(ask GET "/v1/acl/policy/name/$policy" | sed -n 's/^{"ID":"\([0-9a-f-]*\)".*/\1/p')
  must PUT "/v1/acl/policy${id:+/$id}" "$here/$policy.json" >"$MEMORY/answer"
  say "policy $policy: $([ -n "$id" ] && echo 'as it should be' || echo created)"
done

# token POLICY KEY ACCESSOR: the token of the policy has the Secret's value, whatever it had before.
token() {
  case $(ask GET "/v1/acl/token/$3") in
  *"\"SecretID\":\"$(secret "$2")\""*) say "token $1: as it should be"; return ;;
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
must PUT /v1/acl/token/00000000-0000-0000-0000-000000000002 - >"$MEMORY/answer" <<END
{"AccessorID": "00000000-0000-0000-0000-000000000002", "Description": "Anonymous Token", "Policies": [{"Name": "anonymous"}]}
END
say 'anonymous: reads nodes and services'
