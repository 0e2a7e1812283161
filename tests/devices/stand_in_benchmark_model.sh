#!/bin/sh
# A stand-in for the official classic benchmark_model, for tests of what is done with its output. It computes nothing:
# the name of the model file says which case it plays. Its lines follow the forms that the real program prints.
model=
gpu=no
xnnpack=default
outputs=
for flag in "$@"; do
  case $flag in
    --help) echo "usage: --graph --use_xnnpack --use_gpu --gpu_backend"; exit 0 ;;
    --graph=*) model=${flag##*/} ;;
    --use_gpu=true) gpu=yes ;;
    --use_xnnpack=*) xnnpack=${flag#*=} ;;
    --output_filepath=*) outputs=${flag#*=} ;;
  esac
done

results() {
  echo "INFO: The input model file size (MB): 0.1"
  echo "INFO: Initialized session in 0.53ms."
  echo "INFO: Running benchmark for at least 1 iterations and at least 0 seconds but terminate if exceeding 60 seconds."
  echo "INFO: count=1 curr=1500000"
  echo
  echo "INFO: Running benchmark for at least 3 iterations and at least 0 seconds but terminate if exceeding 60 seconds."
  echo "INFO: count=3 first=$1 curr=$1 min=$1 max=$1 avg=$1 std=2 p5=$1 median=$1 p95=$1"
  echo
  echo "INFO: Inference timings in us: Init: 530, First inference: 1500000, Warmup (avg): 1.5e+06, Inference (avg): $1"
  echo "INFO: Memory footprint delta from the start of the tool (MB): init=3.75 overall=12.25"
  [ -z "$outputs" ] || printf '\000\000\200\077' > "$outputs"
}

echo "INFO: STARTING!"
echo "INFO: Graph: [$model]"
echo "INFO: Loaded model $model"
if [ $gpu = no ]; then
  [ $xnnpack = true ] && echo "INFO: Created TensorFlow Lite XNNPACK delegate for CPU." &&
    echo "INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the delegate."
  results 9000
  exit 0
fi
case $model in
  full.tflite)
    echo "INFO: Created TensorFlow Lite delegate for GPU."
    echo "INFO: Initialized OpenCL-based API."
    echo "INFO: Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate."
    results 4500 ;;
  partial.tflite)
    echo "ERROR: Following operations are not supported by GPU delegate:" >&2
    echo "CAST: Tensor type(INT64) is not supported." >&2
    echo "3 operations will run on the GPU, and the remaining 1 operations will run on the CPU." >&2
    echo "INFO: Initialized OpenCL-based API."
    echo "INFO: Explicitly applied GPU delegate, and the model graph will be partially executed by the delegate w/ 2 delegate kernels."
    results 5500 ;;
  fallback.tflite)
    echo "WARN: GPU acceleration is unsupported on this platform."
    results 9000 ;;
  opengl.tflite)
    echo "INFO: Can not open OpenCL library on this device"
    echo "INFO: Falling back to OpenGL"
    echo "INFO: Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate."
    results 7000 ;;
  none.tflite)
    echo "INFO: Though GPU delegate is explicitly applied, the model graph will not be executed by the delegate."
    results 9000 ;;
  failure.tflite)
    echo "ERROR: Failed to apply GPU delegate." >&2
    echo "ERROR: Benchmarking failed." >&2
    exit 1 ;;
  crash.tflite) kill -SEGV $$ ;;
  hang.tflite) while :; do :; done ;;
esac
