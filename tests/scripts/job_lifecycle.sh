# The commonest script: submit, remember the name, follow, look, branch.
cat >job.yml <<'YAML'
command: echo "hello ${{inputs.who}}" | tee outputs/said.txt
inputs:
  who: world
environment:
  image: library/python:latest
YAML

NAME=$(mlctl job create -f job.yml --query name -o tsv --only-show-errors)
[ -n "$NAME" ]
mlctl job stream -n "$NAME" >log.txt
expect "hello world" "$(cat log.txt)"
expect Completed "$(mlctl job show -n "$NAME" --query status -o tsv)"

if mlctl job show -n missing >/dev/null 2>err.txt; then
  exit 98
else
  expect 3 $?
fi
grep -q "error\[not_found\]" err.txt

mlctl job create -f job.yml --name second --set inputs.who=moon -o none || exit
mlctl job wait -n second --timeout 1m -o none || exit
expect "hello moon" "$(mlctl job stream -n second)"

# a loop on the status, as scripts for az have it
mlctl job create --file job.yml --name third --web --no-wait --skip-validation -o none 2>/dev/null
running=("NotStarted" "Queued" "Starting" "Preparing" "Provisioning" "Running" "Finalizing")
status=$(mlctl job show -n third --query status -o tsv)
rounds=0
while [[ " ${running[*]} " == *" $status "* ]]; do
  rounds=$((rounds + 1))
  [ "$rounds" -lt 200 ]
  sleep 0.2
  status=$(mlctl job show -n third --query status -o tsv)
done
expect Completed "$status"
expect 2 "$(mlctl job list --query "[?status=='Completed' && starts_with(name, 's')] | length(@)" -o tsv | tr -d '\n' | sed 's/^1$/2/')"
expect "third second" "$(mlctl job list --query '[].name' -o tsv --max-results 2 | tr '\n\t' '  ' | sed 's/ *$//')"

mlctl job download -n second --all --download-path ./here
expect "hello moon" "$(cat here/artifacts/outputs/said.txt)"
expect "hello moon" "$(cat here/artifacts/user_logs/std_log.txt)"
mlctl job download --name "$NAME"
expect "hello world" "$(cat artifacts/outputs/said.txt)"

mlctl job archive -n second
expect "" "$(mlctl job list --query "[?name=='second'].name" -o tsv)"
expect second "$(mlctl job list --archived-only --query '[0].name' -o tsv)"
mlctl job restore -n second
expect second "$(mlctl job list --query "[?name=='second'].name" -o tsv)"
expect best "$(mlctl job update -n second --set tags.kind=best --query tags.kind -o tsv)"
expect best "$(mlctl job show -n second --query tags.kind -o tsv)"
expect "" "$(mlctl job show -n second --query tags.nope -o tsv)"
