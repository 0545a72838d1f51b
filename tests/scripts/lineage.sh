# Where a model comes from, what differs between two jobs, and a job once more from its export.
mkdir src data
cat >src/train.py <<'PY'
import json, os, pathlib, sys, urllib.parse

data, rate, out = sys.argv[1:]
pathlib.Path(out).mkdir(parents=True, exist_ok=True)
pathlib.Path(out, "weights.txt").write_text(pathlib.Path(data).read_text() * 2 + rate)
run = os.environ["MLFLOW_RUN_ID"]
# what MLflow 3 leaves in its file store when a script logs and registers a model
store = pathlib.Path(urllib.parse.urlsplit(os.environ["MLFLOW_TRACKING_URI"]).path)
number = len(list(store.glob("models/flow/version-*"))) + 1
model = store / os.environ["MLFLOW_EXPERIMENT_ID"] / "models" / f"m-{run}"
for path, text in {
    model / "meta.yaml": f"name: flow\nmodel_id: m-{run}\nsource_run_id: {run}\ncreation_timestamp: 1\n",
    model / "tags/mlctl.job": json.loads(os.environ["MLFLOW_RUN_CONTEXT"])["mlctl.job"],
    model / "artifacts/MLmodel": "flavors:\n  python_function: {}\nmlflow_version: 3.0.0\nsignature:\n"
    '  inputs: \'[{"name": "x", "type": "double", "required": true}]\'\n',
    store / f"models/flow/version-{number}/meta.yaml": f"name: flow\nversion: {number}\nmodel_id: m-{run}\nrun_id: null\n",
}.items():
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
metrics = store / os.environ["MLFLOW_EXPERIMENT_ID"] / run / "metrics"
metrics.joinpath("loss").write_text(f"1 {rate} 0\n")
PY
printf '1,2\n' >data/iris.csv
git init -q . && git add src && git -c user.name=n -c user.email=n@example.com commit -qm one
cat >job.yml <<'YAML'
command: python train.py ${{inputs.flowers}} ${{inputs.rate}} ${{outputs.model}}
code: src
inputs:
  flowers: {type: uri_file, path: azureml:iris@latest}
  rate: 0.5
outputs:
  model: {type: custom_model, name: iris-model}
environment_variables: {LEVEL: low}
environment: {image: "library/python:latest"}
experiment_name: iris
YAML
mlctl data create -n iris -t uri_file --path data/iris.csv -o none --only-show-errors
mlctl job create -f job.yml -n first --stream -o none 2>/dev/null
mlctl job create -f job.yml -n second --set inputs.rate=0.25 environment_variables.LEVEL=high --stream -o none 2>/dev/null

# the whole chain, from the model back to the file
expect job/second "$(mlctl model why iris-model --query "made_from[].node | [0]" -o tsv)"
expect "input flowers" "$(mlctl model why iris-model:1 --query "made_from[0].made_from[?node=='data/iris/1'].role | [0]" -o tsv)"
expect "path/$PWD/data/iris.csv" "$(mlctl model why iris-model:1 \
  --query "made_from[0].made_from[?node=='data/iris/1'].made_from[0].node | [0]" -o tsv)"
COMMIT=$(git rev-parse HEAD)
expect "git/$COMMIT" "$(mlctl job lineage first --query "made_from[?role=='git'].node | [0]" -o tsv)"
expect "$COMMIT" "$(mlctl model why iris-model:1 --query "made_from[0].facts.git_commit" -o tsv)"
expect "job/first job/second" "$(mlctl data used-by iris:1 --query "used_by[].node" -o tsv | sort | tr '\n' ' ' | sed 's/ $//')"
expect 2 "$(mlctl job used-by second --query "length(used_by)" -o tsv)"
fails 3 mlctl model why nobody
mlctl model why iris-model | one_document

# what the script registered in MLflow is a model of the workspace, with its signature
expect mlflow_model "$(mlctl model show -n flow -v 1 --query type -o tsv)"
expect double "$(mlctl model show -n flow -v 1 --query "signature.inputs[0].type" -o tsv)"
expect job/first "$(mlctl model why flow:1 --query "join(' ', made_from[].node)" -o tsv)"
expect job/second "$(mlctl model why flow:2 --query "join(' ', made_from[].node)" -o tsv)"
# MLflow 3 keeps the model beside the run; everybody looks for it below the run
expect mlflow_model "$(mlctl model create -n again --path runs:/first/flow --query type -o tsv --only-show-errors)"
expect mlflow_model "$(mlctl model create -n again --path azureml://jobs/second/outputs/artifacts/paths/flow \
  --type mlflow_model --query type -o tsv)"
expect job/first "$(mlctl model why again:1 --query "made_from[].node | [0]" -o tsv)"
expect job/second "$(mlctl model why again:2 --query "made_from[].node | [0]" -o tsv)"
fails 3 mlctl model create -n again --path runs:/first/nothing
fails 5 mlctl model create -n again --path runs:/first/outputs --type mlflow_model
fails 5 mlctl model create -n again --path runs:/first/flow --type triton_model

# what differs
mlctl job diff first second | one_document
expect -0.25 "$(mlctl job diff first second --query "differences[?section=='metrics' && key=='loss'].difference | [0]" -o tsv)"
expect "0.5 0.25" "$(mlctl job diff first second --query "differences[?key=='rate'].[left, right] | [0]" -o tsv | tr '\n\t' '  ' | sed 's/ $//')"
expect variables "$(mlctl job diff first second --query "differences[?key=='LEVEL'].section | [0]" -o tsv)"
expect True "$(mlctl job diff first first --query equal -o tsv | sed 's/^true$/True/')"

# once more from the export: another commit of the code would be another job
mlctl job export first --to kept -o none
mlctl job export first >exported.yml 2>warnings.txt
expect "" "$(cat warnings.txt)"
expect azureml:iris:1 "$(grep -o 'azureml:iris:1' exported.yml)"
echo "print('changed')" >src/train.py
mlctl job export first >exported.yml 2>warnings.txt
grep -q "has changed since the job was submitted" warnings.txt
mlctl job create -f kept/job.yml -n third --stream -o none 2>/dev/null
expect "" "$(mlctl job diff first third --query "differences[?section!='git'].key" -o tsv)"
expect "$(mlctl job lineage first --query "made_from[?role=='code'].node | [0]" -o tsv)" \
  "$(mlctl job lineage third --query "made_from[?role=='code'].node | [0]" -o tsv)"
fails 6 mlctl job export first --to kept
