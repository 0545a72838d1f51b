# What a script sees when something goes wrong.
printf 'command: echo last words; exit 7\nenvironment: {image: library/python}\n' >fails.yml
printf 'command: sleep 60\nenvironment: {image: library/python}\n' >long.yml
printf 'comand: true\n' >wrong.yml

fails 10 mlctl job create -f fails.yml --name bad --stream
one_document <out.txt
grep -q "last words" err.txt
grep -q "exit code 7" err.txt
expect Failed "$(mlctl job show -n bad --query status -o tsv)"
expect 7 "$(mlctl job show -n bad --query exit_code -o tsv)"
fails 10 mlctl job wait -n bad
fails 10 mlctl job stream -n bad
expect "last words" "$(cat out.txt)"
fails 6 mlctl job create -f fails.yml --name bad
grep -q "error\[conflict\]" err.txt

fails 5 mlctl job create -f wrong.yml
grep -q "wrong.yml:1:1" err.txt
expect "" "$(cat out.txt)"
expect Failed "$(mlctl job validate -f wrong.yml --query result -o tsv)"
fails 5 mlctl job validate -f wrong.yml --strict
expect Succeeded "$(mlctl job validate -f long.yml --query result -o tsv)"
fails 3 mlctl job create -f missing.yml
fails 2 mlctl job create
fails 2 mlctl job show
fails 2 mlctl job list --query '[?'
fails 2 mlctl job frobnicate
fails 2 mlctl jb list
fails 3 mlctl job create -f long.yml -w nowhere
for verb in show cancel archive restore stream wait download show-services update; do
  fails 3 mlctl job "$verb" -n missing
  expect "" "$(cat out.txt)"
done

mlctl job create -f long.yml --name long -o none
fails 8 mlctl job wait -n long --timeout 1s
fails 6 mlctl job download -n long
expect Canceled "$(mlctl job cancel -n long --query status -o tsv)"
expect Canceled "$(mlctl job cancel -n long --query status -o tsv)"
fails 10 mlctl job wait -n long
