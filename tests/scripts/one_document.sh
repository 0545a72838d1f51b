# With -o json stdout has one JSON document and nothing else, whatever is said on stderr.
cat >job.yml <<'YAML'
command: echo to the log; echo more >&2
compute: azureml:unknown
environment: {image: library/python}
YAML
mlctl job create -f job.yml --name j --stream -o json 2>err.txt | one_document
grep -q "to the log" err.txt
grep -q "compute 'unknown' is not known" err.txt
mlctl job create -f job.yml --name k 2>/dev/null | one_document
mlctl job create -f job.yml --dry-run 2>/dev/null | one_document

while read -r words; do
  # shellcheck disable=SC2086  # the words of a line are words
  mlctl $words -o json 2>/dev/null | one_document || { echo "mlctl $words" >&2; exit 98; }
  # shellcheck disable=SC2086
  mlctl $words -o json --query 'not_a_key' 2>/dev/null >out.txt || true
  [ ! -s out.txt ] || one_document <out.txt
  # shellcheck disable=SC2086
  expect "" "$(mlctl $words -o none 2>/dev/null)"
done <<'COMMANDS'
job list
job list --all-results --include-archived
job show -n j
job show -n j --metrics
job wait -n j
job wait -n k
job stream -n j
job cancel -n j
job show-services -n j
job validate -f job.yml
job update -n j --set tags.a=1
compute list
compute show -n local
workspace list
workspace show
config list
config get core.output
configure --list-defaults
doctor
version
COMMANDS

mlctl job show -n j --only-show-errors 2>err.txt | one_document
expect "" "$(cat err.txt)"
for format in json jsonc yaml yamlc table tsv none; do
  mlctl job list -o "$format" >out.txt 2>err.txt
  expect "" "$(cat err.txt)"
done
