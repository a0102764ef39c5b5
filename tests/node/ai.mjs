// Vercel's AI SDK against a running gateway: node ai.mjs BASE_URL KEY. Exits 1 if any call is not as expected.
import assert from "node:assert/strict";
import { generateText, streamText, tool } from "ai";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { z } from "zod";

const [base, apiKey] = process.argv.slice(2);
const openai = createOpenAI({ baseURL: `${base}/v1`, apiKey });
const anthropic = createAnthropic({ baseURL: `${base}/v1`, apiKey });
const google = createGoogleGenerativeAI({ baseURL: `${base}/v1beta`, apiKey });
const surfaces = {
  chat: (name) => openai.chat(name),
  responses: (name) => openai.responses(name),
  anthropic: (name) => anthropic(name),
  google: (name) => google(name),
};
const weather = tool({ description: "Tells the weather.", inputSchema: z.object({ city: z.string().optional() }) });

const checks = {
  text: async (model) => {
    const { text, usage, finishReason } = await generateText({ model, prompt: "say pong", maxRetries: 0 });
    assert.deepEqual([text, finishReason], ["say pong", "stop"]);
    assert.ok(usage.totalTokens > 0);
  },
  stream: async (model) => {
    let fault = null;
    const answer = streamText({ model, prompt: "say pong", maxRetries: 0, onError: ({ error }) => { fault = error; } });
    let text = "";
    for await (const piece of answer.textStream) text += piece;
    assert.equal(fault, null);
    assert.deepEqual([text, await answer.finishReason], ["say pong", "stop"]);
    assert.ok((await answer.usage).outputTokens > 0);
  },
  tools: async (model) => {
    const { toolCalls, finishReason } = await generateText({
      model, prompt: "call weather", tools: { weather }, maxRetries: 0,
    });
    assert.deepEqual([toolCalls.map((call) => call.toolName), finishReason], [["weather"], "tool-calls"]);
  },
};

let passed = 0;
let failed = 0;
for (const [surface, modelOf] of Object.entries(surfaces)) {
  for (const name of ["via-openai", "via-anthropic", "via-gemini", "via-responses"]) {
    for (const [what, run] of Object.entries(checks)) {
      try {
        await run(modelOf(name));
        passed += 1;
      } catch (error) {
        failed += 1;
        console.log(`FAIL  ${surface} ${name} ${what}: ${error?.stack ?? error}`);
      }
    }
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
