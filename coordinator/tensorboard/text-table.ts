import { tensorboard } from '../../proto/services.js';

/** A table of texts as TensorBoard's text dashboard shows it, each row of as many cells as the first. */
export function textTable(
  tag: string,
  rows: readonly (readonly string[])[],
): tensorboard.Summary.Value.$Properties {
  const { DataType } = tensorboard.Tensor;
  const shape = { dim: [{ size: rows.length }, { size: rows[0]?.length ?? 0 }] };
  return {
    tag,
    metadata: {
      pluginData: { pluginName: 'text' },
      dataClass: tensorboard.Summary.DataClass.DATA_CLASS_TENSOR,
    },
    tensor: { dtype: DataType.DT_STRING, shape, stringVal: rows.flat() },
  };
}

/** A text that reads as it is: the dashboard takes texts for Markdown, in which this is a block of code. */
export function asWritten(text: string): string {
  return text.replaceAll(/^/gm, '    ');
}
