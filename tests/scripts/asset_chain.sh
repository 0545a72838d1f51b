# data asset -> job by reference -> model from the job -> fetched again, byte for byte
mkdir -p data code
seq 1 150 | awk '{print $1 "," $1*2}' > data/train.csv
cat > code/train.py <<'PY'
import pathlib, sys
rows = [line.split(",") for line in pathlib.Path(sys.argv[1], "train.csv").read_text().split()]
slope = sum(float(y) for _, y in rows) / sum(float(x) for x, _ in rows)
pathlib.Path(sys.argv[2], "model.txt").write_text(f"{slope}\n")
PY
cat > job.yml <<'YML'
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
command: python train.py ${{inputs.train}} ${{outputs.model}}
code: code
environment: azureml:train-env@latest
inputs:
  train: {type: uri_folder, path: azureml:numbers:1}
outputs:
  model: {type: custom_model}
  registered: {type: custom_model, name: at-the-end}
YML
sed -i 's/outputs.model}}/outputs.model}} \&\& cp ${{outputs.model}}\/model.txt ${{outputs.registered}}\//' job.yml

expect 1 "$(mlctl data create -n numbers -p data --query version -o tsv)"
expect 1 "$(mlctl environment create -n train-env -i library/python:latest --query version -o tsv)"
JOB=$(mlctl job create -f job.yml --query name -o tsv)
mlctl job wait -n "$JOB" -o none
expect Completed "$(mlctl job show -n "$JOB" --query status -o tsv)"
expect azureml:numbers:1 "$(mlctl job show -n "$JOB" --query inputs.train.path -o tsv)"

# the output that the job was asked to register, and one that is registered afterwards
expect "at-the-end 1 $JOB" "$(mlctl model list -n at-the-end --query "[0].join(' ', [name, version, job_name])" -o tsv)"
expect "$JOB" "$(mlctl model create -n slope --path "azureml://jobs/$JOB/outputs/model/paths/" --query job_name -o tsv)"

# what is fetched is what the job wrote, also when the job's own copy is gone
FOLDER=$(mlctl job show -n "$JOB" --query folder -o tsv)
cp -r "$FOLDER/named-outputs/model" before
rm -rf "$FOLDER/named-outputs"
mlctl model download -n slope -v 1 -p fetched
diff -r before fetched/slope
expect 2.0 "$(cat fetched/slope/model.txt)"

# what a version holds is never changed by what happens to its source
echo 1,1 >> data/train.csv
fails 6 mlctl data create -n numbers -p data -v 1
grep -q "1 changed (train.csv)" err.txt
expect 2 "$(mlctl data create -n numbers -p data --query version -o tsv)"
mlctl data download -n numbers -v 1 -p fetched
expect 150 "$(wc -l < fetched/numbers/train.csv | tr -d ' ')"

# references that lead nowhere are told before anything runs, with the line
fails 3 mlctl job create -f job.yml --set inputs.train.path=azureml:nothing:1
grep -q "job.yml:6: inputs.train.path: no data named 'nothing'" err.txt
fails 5 mlctl job create -f job.yml --set inputs.train.type=uri_file
fails 6 mlctl job create -f job.yml --set outputs.registered.version=1
