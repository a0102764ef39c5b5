// The official Node SDKs against a running gateway: node sdk.mjs BASE_URL KEY. Exits 1 if any call is not as expected.
import assert from "node:assert/strict";
import OpenAI from "openai";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";

const [base, key] = process.argv.slice(2);
const openai = new OpenAI({ baseURL: `${base}/v1`, apiKey: key, maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: base, apiKey: key, maxRetries: 0 });
const google = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: base } });

const hello = [{ role: "user", content: "say pong" }];
const openaiTool = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
};
const anthropicTool = { name: "weather", input_schema: { type: "object", properties: { city: { type: "string" } } } };

const checks = [];
const check = (name, run) => checks.push([name, run]);

// one model per upstream dialect, so that every pair is driven
for (const model of ["via-openai", "via-anthropic", "via-gemini", "via-responses"]) {
  check(`openai chat ${model}`, async () => {
    const answer = await openai.chat.completions.create({ model, messages: hello });
    assert.equal(answer.choices[0].message.content, "say pong");
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.ok(answer.usage.total_tokens > 0);
  });
  check(`openai chat stream ${model}`, async () => {
    let text = "";
    let usage = null;
    const stream = await openai.chat.completions.create({
      model, messages: hello, stream: true, stream_options: { include_usage: true },
    });
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, "say pong");
    assert.ok(usage.total_tokens > 0);
  });
  check(`openai tools ${model}`, async () => {
    const answer = await openai.chat.completions.create({
      model, messages: [{ role: "user", content: "call weather" }], tools: [openaiTool],
    });
    assert.equal(answer.choices[0].finish_reason, "tool_calls");
    assert.equal(answer.choices[0].message.tool_calls[0].function.name, "weather");
    JSON.parse(answer.choices[0].message.tool_calls[0].function.arguments);
  });
  check(`openai responses ${model}`, async () => {
    const answer = await openai.responses.create({ model, input: "say pong" });
    assert.equal(answer.output_text, "say pong");
  });
  check(`openai responses stream ${model}`, async () => {
    let last = "";
    let text = "";
    for await (const event of await openai.responses.create({ model, input: "say pong", stream: true })) {
      last = event.type;
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    assert.equal(last, "response.completed");
    assert.equal(text, "say pong");
  });
  check(`anthropic messages ${model}`, async () => {
    const answer = await anthropic.messages.create({ model, max_tokens: 64, messages: hello });
    assert.equal(answer.content[0].text, "say pong");
    assert.equal(answer.stop_reason, "end_turn");
  });
  check(`anthropic stream ${model}`, async () => {
    const stream = anthropic.messages.stream({ model, max_tokens: 64, messages: hello });
    assert.equal(await stream.finalText(), "say pong");
    assert.ok((await stream.finalMessage()).usage.output_tokens > 0);
  });
  check(`anthropic tools ${model}`, async () => {
    const stream = anthropic.messages.stream({
      model, max_tokens: 64, messages: [{ role: "user", content: "call weather" }], tools: [anthropicTool],
    });
    const message = await stream.finalMessage();
    assert.equal(message.stop_reason, "tool_use");
    assert.equal(message.content.find((block) => block.type === "tool_use").name, "weather");
  });
  check(`gemini ${model}`, async () => {
    const answer = await google.models.generateContent({ model, contents: "say pong" });
    assert.equal(answer.text, "say pong");
  });
  check(`gemini stream ${model}`, async () => {
    let text = "";
    for await (const chunk of await google.models.generateContentStream({ model, contents: "say pong" })) {
      text += chunk.text ?? "";
    }
    assert.equal(text, "say pong");
  });
}

check("openai models", async () => {
  const names = [];
  for await (const model of openai.models.list()) names.push(model.id);
  assert.ok(names.includes("via-openai"));
});
check("anthropic models", async () => {
  const names = [];
  for await (const model of anthropic.models.list()) names.push(model.id);
  assert.ok(names.includes("via-openai"));
});
check("anthropic count_tokens", async () => {
  const counted = await anthropic.messages.countTokens({ model: "via-anthropic", messages: hello });
  assert.ok(counted.input_tokens > 0);
});
check("openai unknown model", async () => {
  await assert.rejects(openai.chat.completions.create({ model: "nope", messages: hello }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    return true;
  });
});
check("anthropic unknown model", async () => {
  await assert.rejects(anthropic.messages.create({ model: "nope", max_tokens: 1, messages: hello }), (error) => {
    assert.ok(error instanceof Anthropic.NotFoundError);
    assert.equal(error.error.error.type, "not_found_error");
    return true;
  });
});
check("openai bad key", async () => {
  const stranger = new OpenAI({ baseURL: `${base}/v1`, apiKey: "sk-hg_wrong", maxRetries: 0 });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
});

// upstreams that fail in the middle: the client must notice
for (const model of ["cut-openai", "cut-anthropic", "cut-gemini"]) {
  check(`openai stream ${model}`, async () => {
    await assert.rejects(async () => {
      for await (const chunk of await openai.chat.completions.create({ model, messages: hello, stream: true })) void chunk;
    });
  });
  check(`anthropic stream ${model}`, async () => {
    await assert.rejects(anthropic.messages.stream({ model, max_tokens: 9, messages: hello }).finalMessage());
  });
}

let failed = 0;
for (const [name, run] of checks) {
  try {
    await run();
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}: ${error?.stack ?? error}`);
  }
}
console.log(`${checks.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
