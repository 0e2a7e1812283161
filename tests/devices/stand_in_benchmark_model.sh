#!/bin/sh
# A stand-in for the official classic benchmark_model, for tests of what is done with it. It computes nothing: the name
# of the model file says which case it plays. It reads its flags by the real program's rules, refuses what that refuses,
# and prints its lines, each on the stream where it prints them. Plain sh, since it runs under busybox, too.

info() { echo "INFO: $1"; }
# Lines of the runtime beneath, which go to the other stream.
runtime() { echo "$1" >&2; }
error() { echo "ERROR: $1" >&2; }
failed() { error "Benchmarking failed."; exit 1; }
fatal() { echo "FATAL: $1" >&2; kill -ABRT $$; }

usage() {
  error "usage: $0 <flags>
Flags:
	--num_runs=50	int32	optional	expected number of runs
	--input_layer_value_files=	string	optional	A map-like string
	--use_xnnpack=true	bool	optional	explicitly apply the XNNPACK delegate
	--use_gpu=false	bool	optional	use gpu
	--graph=	string	optional	graph file name or fd"
  failed
}

info "STARTING!"
model= gpu=false backend= xnnpack=default outputs= names= shapes= files= profiling=false runs=50 unknown=
for flag in "$@"; do
  value=${flag#*=}
  case $flag in
    --help | --help=true) usage ;;
    --graph=*) model=$value ;;
    --use_gpu=*) gpu=$value ;;
    --gpu_backend=*) backend=$value ;;
    --use_xnnpack=*) xnnpack=$value ;;
    --output_filepath=*) outputs=$value ;;
    --input_layer=*) names=$value ;;
    --input_layer_shape=*) shapes=$value ;;
    --input_layer_value_files=*) files=$value ;;
    --enable_op_profiling=*) profiling=$value ;;
    --num_runs=*) runs=$value ;;
    --num_threads=* | --warmup_runs=* | --warmup_min_secs=* | --min_secs=* | --max_secs=*) ;;
    --gpu_precision_loss_allowed=* | --xnnpack_force_fp16=*) ;;
    --report_peak_memory_footprint=* | --op_profiling_output_mode=*) ;;
    *) unknown="$unknown $flag" ;;
  esac
done
[ -z "$unknown" ] || echo "WARN: Unconsumed cmdline flags:$unknown"
info "Min num runs: [$runs]"
info "Graph: [$model]"
[ "$gpu" = false ] || info "Use gpu: [1]"

# The number of items in a list; none in an empty one.
count() {
  [ -n "$1" ] || { echo 0; return; }
  (IFS=$2; set -f; set -- $1''; echo $#)
}

# Split "name:file" at its only single colon; a doubled one stands for a colon.
split_pair() {
  rest=$1 part= found=no
  while [ ${#rest} -gt 1 ]; do
    case $rest in
      ::*) part="$part:" rest=${rest#::} ;;
      :*)
        [ $found = no ] || { error "$1 contains more than one delimiter."; return 1; }
        found=yes name=$part part= rest=${rest#:} ;;
      *) tail=${rest#?} part="$part${rest%"$tail"}" rest=$tail ;;
    esac
  done
  [ $found = yes ] || { error "$1 doesn't contain any delimiter."; return 1; }
  file="$part$rest"
}

# Call $1 for each input of --input_layer_value_files, with its name and file in variables.
each_input() {
  left=$files
  while [ -n "$left" ]; do
    pair=${left%%,*}
    case $left in *,*) left=${left#*,} ;; *) left= ;; esac
    split_pair "$pair" || { error "Wrong input value file item specified: $pair"; error 1; failed; }
    $1
  done
}
find_input() {
  case ",$names," in
    *",$name,"*) ;;
    *) fatal "Cannot find the corresponding input_layer name($name) in --input_layer as $names" ;;
  esac
}
read_input() { [ -r "$file" ] || fatal "Failed to read the input_layer_value_file:$file"; }

named=$(count "$names" ,) shaped=$(count "$shapes" :)
if [ "$named" != "$shaped" ]; then
  error "The number of items in --input_layer_shape ($shapes, with $shaped items) must match the number of items in --input_layer ($names, with $named items). For example --input_layer=input1,input2 --input_layer_shape=1,224,224,4:1,20"
  failed
fi
each_input find_input

# One row of a table of operators: node type, milliseconds, times called, name.
row() { printf '\t%24s\t%9s\t%9s\t50.000%%\t50.000%%\t    0.000\t%9s\t%s\n' "$1" "$2" "$2" "$3" "$4"; }
table() {
  echo "============================== $1 =============================="
  printf '\t             [node type]\t  [first]\t [avg ms]\t     [%%]\t  [cdf%%]\t  [mem KB]\t[times called]\t[Name]\n'
}
# The model's three operators, the outer two on a delegate, or each on the processor.
profile() {
  echo "Profiling Info for Benchmark Initialization:"
  table "Run Order"
  row ModifyGraphWithDelegate 9.5 1 ModifyGraphWithDelegate/0
  echo
  echo "Operator-wise Profiling Info for Regular Benchmark Runs:"
  table "Run Order"
  if [ "$1" = delegated ]; then
    # Nodes of two partitions, of one name, are merged.
    row "$2" 0.375 2 "Delegate/$2:0"
    row FLOOR_MOD 0.5 1 "[b]:1"
    row TfLiteXNNPackDelegate 0.4 1 "[a]:3"
    row TfLiteXNNPackDelegate 0.4 1 "[c]:4"
  else
    row TANH 0.25 1 "[a]:0"
    row FLOOR_MOD 0.5 1 "[b]:1"
    row LOGISTIC 0.25 1 "[c]:2"
  fi
  echo
  table "Top by Computation Time"
  row FLOOR_MOD 0.5 1 "[b]:1"
  echo
  echo "Number of nodes executed: 4"
}

results() {
  # With the profiler on, a GPU delegate runs its nodes many times over: slow, and wrong.
  average=$1 value='\000\000\200\077'
  if [ "$profiling" = true ] && [ "$gpu" = true ]; then average=$((average * 30)) value='\000\000\240\101'; fi
  set -- "$average" "$2"
  info "The input model file size (MB): 0.1"
  info "Initialized session in 0.53ms."
  each_input read_input
  info "Running benchmark for at least 1 iterations and at least 0 seconds but terminate if exceeding 60 seconds."
  info "count=1 curr=1500000"
  echo
  info "Running benchmark for at least $runs iterations and at least 0 seconds but terminate if exceeding 60 seconds."
  info "count=$runs first=$1 curr=$1 min=$1 max=$1 avg=$1 std=2 p5=$1 median=$1 p95=$1"
  echo
  info "Inference timings in us: Init: 530, First inference: 1500000, Warmup (avg): 1.5e+06, Inference (avg): $1"
  info "Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual memory footprint of the model at runtime. Take the information at your discretion."
  info "Memory footprint delta from the start of the tool (MB): init=3.75 overall=12.25"
  info "Overall peak memory footprint (MB) via periodic monitoring: 16.5"
  if [ "$profiling" = true ]; then
    case ${model##*/} in unprofiled.tflite) fatal "No profiler" ;; esac
    profile "$2" "Tanh (NC, F32)"
  fi
  # The output of `islands`: 16 floating-point numbers.
  [ -z "$outputs" ] || for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do printf "$value"; done > "$outputs"
}

applied() { info "Explicitly applied $1 delegate, and the model graph will be $2 executed by the delegate$3."; }
loaded() { info "Loaded model $model"; }
prepare_failed() {
  runtime "ERROR: TfLiteGpuDelegate Prepare: delegate is not initialized"
  runtime "ERROR: Node number 125 (TfLiteGpuDelegateV2) failed to prepare."
  not_restored
}
not_restored() {
  runtime "ERROR: Restored original execution plan after delegate application failure."
  error "Failed to apply GPU delegate."
  failed
}

case ${model##*/} in
  broken.tflite) error "Failed to load model $model"; failed ;;
esac
loaded
if [ "$gpu" = false ]; then
  if [ "$xnnpack" = true ]; then
    runtime "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
    case ${model##*/} in
      partial.tflite)
        applied XNNPACK partially " w/ 2 delegate kernels"
        results 9000 delegated
        exit 0 ;;
      none.tflite) info "Though XNNPACK delegate is explicitly applied, the model graph will not be executed by the delegate." ;;
      *) applied XNNPACK completely ;;
    esac
  fi
  results 9000
  exit 0
fi
[ "$backend" = cl ] || failed
case ${model##*/} in
  full.tflite)
    runtime "INFO: Created TensorFlow Lite delegate for GPU."
    runtime "INFO: Initialized OpenCL-based API."
    runtime "INFO: Created 1 GPU delegate kernels."
    applied GPU completely
    results 4500 delegated ;;
  partial.tflite)
    runtime "INFO: Created TensorFlow Lite delegate for GPU."
    runtime "ERROR: Following operations are not supported by GPU delegate:
FLOOR_MOD: Operation is not supported.
1 operations will run on the GPU, and the remaining 2 operations will run on the CPU."
    runtime "INFO: Initialized OpenCL-based API."
    runtime "INFO: Created 1 GPU delegate kernels."
    applied GPU partially " w/ 1 delegate kernels"
    results 5500 delegated ;;
  none.tflite)
    runtime "INFO: Created TensorFlow Lite delegate for GPU."
    runtime "ERROR: Following operations are not supported by GPU delegate:
FLOOR_MOD: Operation is not supported.
No operations will run on the GPU, and all 3 operations will run on the CPU."
    runtime "INFO: Created 0 GPU delegate kernels."
    info "Though GPU delegate is explicitly applied, the model graph will not be executed by the delegate."
    results 9000 ;;
  fallback.tflite)
    echo "WARN: GPU acceleration is unsupported on this platform."
    results 9000 ;;
  opengl.tflite)
    runtime "ERROR: Can not open OpenCL library on this device - undefined symbol: clGetCommandBufferInfoKHR"
    runtime "ERROR: Falling back to OpenGL"
    runtime "INFO: Created 1 GPU delegate kernels."
    applied GPU completely
    results 7000 delegated ;;
  noopencl.tflite) runtime "ERROR: TfLiteGpuDelegate Init: clGetPlatformIDs returned -1001"; prepare_failed ;;
  nogpu.tflite) runtime "ERROR: TfLiteGpuDelegate Init: No GPU detected."; prepare_failed ;;
  dynamic.tflite)
    runtime "WARNING: Attempting to use a delegate that only supports static-sized tensors with a graph that has dynamic-sized tensors (tensor#16 is a dynamic-sized tensor)."
    not_restored ;;
  failure.tflite) not_restored ;;
  crash.tflite) kill -SEGV $$ ;;
  hang.tflite) while :; do :; done ;;
esac
