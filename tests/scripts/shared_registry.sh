# what one workspace made, another person's workspace uses, through a registry and through one file
mkdir -p data mine theirs far
seq 1 1000 > data/numbers.csv
printf 'command: awk "{s+=\\$1} END {print s}" ${{inputs.d}}/numbers.csv > ${{outputs.m}}/sum.txt\n' > job.yml
cat >> job.yml <<'YML'
environment: azureml:env:1
inputs:
  d: {type: uri_folder, path: azureml:numbers:1}
outputs:
  m: {type: custom_model, name: sum}
YML

# the first person: data, a job, a model; all of it shared
mlctl registry create -n team --path share -o none
mlctl data create -n numbers -p data -o none
mlctl environment create -n env -i library/python:latest -o none
mlctl job create -f job.yml --stream -o none
for what in "data numbers" "environment env" "model sum"; do
  set -- $what
  mlctl "$1" share -n "$2" -v 1 --registry-name team --share-with-name "$2" --share-with-version 1 -o none
done

# the second person has another home, and never sees the first one's workspace
export MLCTL_HOME="$PWD/theirs"
expect team "$(mlctl registry create --path share --query name -o tsv)"
sed -e 's|azureml:env:1|azureml://registries/team/environments/env/versions/1|' \
    -e 's|azureml:numbers:1|azureml://registries/team/data/numbers/labels/latest|' job.yml > theirs.yml
JOB=$(mlctl job create -f theirs.yml --stream --query name -o tsv)
expect 500500 "$(cat "$(mlctl job show -n "$JOB" --query folder -o tsv)/named-outputs/m/sum.txt")"
mlctl model download -n sum -v 1 --registry-name team -p fetched
expect 500500 "$(cat fetched/sum/sum.txt)"
mlctl data download -n numbers --registry-name team -p fetched
diff -r data fetched/numbers
mlctl model create -n own --path azureml://registries/team/models/sum/versions/1 -o none
mlctl model download -n own -v 1 -p fetched
diff -r fetched/sum fetched/own

# a version never changes, whoever tries
echo 1 >> data/numbers.csv
fails 6 mlctl data create -n numbers -v 1 -p data --registry-name team
expect 2 "$(mlctl data create -n numbers -p data --registry-name team --query version -o tsv)"

# a place without a network
SUM=$(mlctl registry export -n team --to team.tar.gz --query sha256 -o tsv)
expect "$SUM" "$(sha256sum team.tar.gz | cut -d ' ' -f 1)"
export MLCTL_HOME="$PWD/far"
mlctl registry create -n team -o none
head -c 300 team.tar.gz > cut.tar.gz
fails 5 mlctl registry import -n team --from cut.tar.gz
expect 4 "$(mlctl registry import -n team --from team.tar.gz --query 'length(imported)')"
expect 4 "$(mlctl registry import -n team --from team.tar.gz --query 'length(unchanged)')"
mlctl model download -n sum -v 1 --registry-name team -p far-fetched
diff -r fetched/sum far-fetched/sum

# forgetting loses nothing
mlctl registry delete -n team
fails 3 mlctl model list --registry-name team
mlctl registry create -n team -o none
expect sum "$(mlctl model list --registry-name team --query '[0].name' -o tsv)"
