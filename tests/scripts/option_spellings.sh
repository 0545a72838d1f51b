# How options are written in published scripts: prefixes, =, short forms, group and subscription that mean nothing here.
cat >job.yml <<'YAML'
command: echo ${{inputs.a}} ${{inputs.b}}
inputs: {a: 1, b: 2}
environment: {image: library/python}
YAML
mlctl job create --f job.yml --na one -g group -w default --subscription some --out none
mlctl job create --file=job.yml --name=two --resource-group group --workspace-name default --set inputs.a=5 inputs.b=6 --out=none
mlctl job create -fjob.yml -nthree --set inputs.a=7 --set inputs.b=8 -onone
for pair in one:1\ 2 two:5\ 6 three:7\ 8; do
  mlctl job wait --name "${pair%%:*}" -g group --output none
  expect "${pair##*:}" "$(mlctl job stream --name "${pair%%:*}" -g group --subscription some)"
done
expect one "$(mlctl job show --nam one --quer name --outp tsv)"
expect one "$(mlctl job show -n one --query name -o TSV)"
mlctl job list --max 1 --out table >table.txt
expect 3 "$(wc -l <table.txt | tr -d ' ')"
fails 2 mlctl job list --a
grep -q "archived-only" err.txt
expect "" "$(mlctl job show -n one --verbose -o none 2>err.txt)"
mlctl job show -n one --debug -o none 2>/dev/null
mlctl job list -h >help.txt
grep -q -- --max-results help.txt
expect "$(mlctl --version)" "$(mlctl --version 2>/dev/null)"
