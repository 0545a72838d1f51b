# the same chain through a shared registry into a second workspace
mkdir -p data
seq 1 2000 > data/train.csv
mlctl data create -n numbers -p data -o none
cat > job.yml <<'YML'
command: sort -n ${{inputs.train}}/train.csv | tail -1 > ${{outputs.model}}/largest
environment: {image: library/python:latest}
inputs:
  train: {type: uri_folder, path: azureml:numbers@latest}
outputs:
  model: {type: custom_model, name: largest}
YML
JOB=$(mlctl job create -f job.yml --query name -o tsv)
mlctl job wait -n "$JOB" -o none

# where the model comes from: the job, the data, and what the data came from
mlctl model why largest:1 > why.json
grep -q "\"job\"\|job/$JOB" why.json
grep -q numbers why.json
mlctl data used-by numbers:1 > used.json
grep -q largest used.json

mlctl registry create -n shared --path "$PWD/registry" -o none
expect 1 "$(mlctl model share -n largest -v 1 --registry-name shared --share-with-name largest --share-with-version 1 --query version -o tsv)"
mlctl data share -n numbers -v 1 --registry-name shared --share-with-name numbers --share-with-version 1 -o none
# sharing once more is no error, sharing something else under that version is
mlctl data share -n numbers -v 1 --registry-name shared --share-with-name numbers --share-with-version 1 -o none
echo 7 >> data/train.csv
mlctl data create -n numbers -p data -o none
fails 6 mlctl data share -n numbers -v 2 --registry-name shared --share-with-name numbers --share-with-version 1

mlctl workspace create -n second -o none
expect largest "$(mlctl model list --registry-name shared --query '[0].name' -o tsv)"
mlctl model download -n largest -v 1 -p from-registry --registry-name shared
mlctl model download -n largest -v 1 -p from-workspace
diff -r from-registry from-workspace
sed 's/azureml:numbers@latest/azureml:\/\/registries\/shared\/data\/numbers\/versions\/1/; /name: largest/s/name: largest/name: again/' job.yml > there.yml
mlctl job create -f there.yml -n there -w second -o none
mlctl job wait -n there -w second -o none
mlctl model download -n again -v 1 -p from-second -w second
diff from-second/again/largest from-workspace/largest/largest
expect 2000 "$(cat from-second/again/largest)"

# one file into an air-gapped place and out of it
mlctl registry export -n shared --to bundle.tar -o none
mlctl registry create -n island --path "$PWD/island" -o none
mlctl registry import -n island --from bundle.tar -o none
mlctl model download -n largest -v 1 -p from-island --registry-name island
diff -r from-island from-workspace
printf 'x' | dd of=bundle.tar bs=1 seek=2000 conv=notrunc status=none
mlctl registry create -n broken --path "$PWD/broken" -o none
if mlctl registry import -n broken --from bundle.tar 2>err.txt; then exit 98; fi
expect 0 "$(mlctl model list --registry-name broken --query 'length(@)' -o tsv)"

# nothing is damaged, and nothing of it is rubbish
mlctl workspace verify -o none
mlctl gc --plan -o none
