/** For prompts of plain text to a model that has a chat template. */
export const TEMPLATE_ADVICE =
  'the prompts are plain text, and are trained without the chat template, with which "prospect generate" and others ask ' +
  'the model; "prospect data convert --from table" makes messages of them, which are written with it';
