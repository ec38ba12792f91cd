/**
 * What is installed, exactly: another library, or another build of it, would give other bits (docs/architecture.md).
 * The CUDA wheels are what `tensorflow[and-cuda]` 2.21.0 resolves to in the CUDA 12.9 line; the minimum that its
 * metadata names, 12.5, miscompiles clamps, as the library itself warns.
 */
export const tensorFlowVersion = '2.21.0';

export interface Wheel {
  readonly project: string;
  readonly version: string;
  /** The wheel's platform tag, as `pip download --platform` takes it. */
  readonly platform: string;
  readonly sha256: string;
  readonly bytes: number;
  /** Patterns (Python's `fnmatch`, where `*` also matches `/`) of the wheel's files that are unpacked. */
  readonly keep: readonly string[];
}

export interface Build {
  readonly device: 'cpu' | 'cuda';
  readonly wheels: readonly Wheel[];
  /** The most that set-up holds on disk at once: what is unpacked, and one wheel. */
  readonly diskBytes: number;
}

/** The headers are those that the binding includes; they go once it is compiled. */
const libraryFiles = [
  'tensorflow/libtensorflow_cc.so.2',
  'tensorflow/libtensorflow_framework.so.2',
  'tensorflow/include/tensorflow/c/*.h',
  'tensorflow/include/tensorflow/core/platform/*.h',
  'tensorflow/include/tsl/platform/*.h',
  'tensorflow/include/xla/tsl/c/*.h',
];

function cudaWheel(part: string, version: string, tag: string, bytes: number, sha256: string): Wheel {
  return {
    project: `nvidia-${part}-cu12`,
    version,
    platform: `${tag}_x86_64`,
    sha256,
    bytes,
    keep: ['nvidia/*/lib/*.so*', 'nvidia/*/bin/*', 'nvidia/*/nvvm/*'],
  };
}

const cpu: Build = {
  device: 'cpu',
  wheels: [
    {
      project: 'tensorflow-cpu',
      version: tensorFlowVersion,
      platform: 'manylinux_2_27_x86_64',
      sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
      bytes: 273829956,
      keep: libraryFiles,
    },
  ],
  diskBytes: 1.2e9,
};

const cuda: Build = {
  device: 'cuda',
  wheels: [
    {
      project: 'tensorflow',
      version: tensorFlowVersion,
      platform: 'manylinux_2_27_x86_64',
      sha256: '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
      bytes: 572440367,
      keep: libraryFiles,
    },
    cudaWheel(
      'cublas',
      '12.9.3.13',
      'manylinux_2_27',
      581217458,
      'd7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72',
    ),
    cudaWheel(
      'cuda-cupti',
      '12.9.79',
      'manylinux_2_25',
      10814997,
      '096bcf334f13e1984ba36685ad4c1d6347db214de03dbb6eebb237b41d9d934f',
    ),
    cudaWheel(
      'cuda-nvcc',
      '12.9.86',
      'manylinux_2_12',
      40546229,
      '5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0',
    ),
    cudaWheel(
      'cuda-nvrtc',
      '12.9.86',
      'manylinux_2_12',
      89568129,
      '210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4',
    ),
    cudaWheel(
      'cuda-runtime',
      '12.9.79',
      'manylinux_2_17',
      3493179,
      '25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3',
    ),
    cudaWheel(
      'cudnn',
      '9.28.0.42',
      'manylinux_2_27',
      716538495,
      '9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375',
    ),
    cudaWheel(
      'cufft',
      '11.4.1.4',
      'manylinux_2_17',
      200877592,
      'c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28',
    ),
    cudaWheel(
      'curand',
      '10.3.10.19',
      'manylinux_2_27',
      68295626,
      '49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e',
    ),
    cudaWheel(
      'cusolver',
      '11.7.5.82',
      'manylinux_2_27',
      338117415,
      '15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88',
    ),
    cudaWheel(
      'cusparse',
      '12.5.10.65',
      'manylinux_2_17',
      366465088,
      '73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78',
    ),
    cudaWheel(
      'nccl',
      '2.32.3',
      'manylinux_2_27',
      351526311,
      'bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c',
    ),
    cudaWheel(
      'nvjitlink',
      '12.9.86',
      'manylinux_2_12',
      39748338,
      'e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9',
    ),
  ],
  diskBytes: 6.5e9,
};

export const builds: Readonly<Record<Build['device'], Build>> = { cpu, cuda };
