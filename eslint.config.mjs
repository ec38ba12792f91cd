import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** Imports go one way: proto ← lib ← {coordinator, worker} ← deploy (docs/architecture.md). */
const forbid = (folder, rules) => ({
  files: [`${folder}/**/*.ts`],
  rules: { 'no-restricted-imports': ['error', { patterns: rules }] },
});
const parts = (names, message) => ({ group: names.map((name) => `**/${name}/**`), message });
const nativeOnlyInWorker = {
  group: ['@tensorflow/*', 'zeromq', 'zeromq/*'],
  message: 'Only worker/ imports TensorFlow and ZeroMQ.',
};

export default tseslint.config(
  { ignores: ['dist/**', 'proto/generated/**', 'node_modules/**'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.json', './coordinator/page/browser/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      // Typed-array indexing under noUncheckedIndexedAccess: the loop bound is the check.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      'max-lines-per-function': ['error', { max: 90, skipBlankLines: true, skipComments: true }],
      eqeqeq: 'error',
    },
  },
  {
    // node:test registers its tests through promises that nobody awaits, and a suite is one long function.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', name: ['test', 'describe', 'it', 'suite'], package: 'node:test' },
          ],
        },
      ],
      'max-lines-per-function': 'off',
    },
  },
  {
    files: ['**/*.mjs'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
  forbid('proto', [
    parts(['lib', 'coordinator', 'worker', 'deploy'], 'proto/ imports no other part.'),
    nativeOnlyInWorker,
  ]),
  forbid('lib', [
    parts(['coordinator', 'worker', 'deploy'], 'lib/ may import only proto/.'),
    nativeOnlyInWorker,
  ]),
  forbid('coordinator', [
    parts(['worker', 'deploy'], 'coordinator/ may import only proto/ and lib/.'),
    nativeOnlyInWorker,
  ]),
  forbid('worker', [parts(['coordinator', 'deploy'], 'worker/ may import only proto/ and lib/.')]),
  forbid('deploy', [nativeOnlyInWorker]),
);
