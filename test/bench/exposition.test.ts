import { expect, test } from "vitest";
import { loopDelay, sample } from "./exposition.ts";

const PAGE = `# HELP postern_in_flight Messages between MAIL FROM and their reply
# TYPE postern_in_flight gauge
postern_in_flight 3
postern_messages_total{direction="inbound",category="clean",disposition="accept"} 1200
postern_messages_total{direction="inbound",category="virus, \\"odd\\"",disposition="reject"} 7
postern_event_loop_delay_seconds{percentile="99.9"} 0.0125
postern_event_loop_delay_seconds{percentile="100"} 4.5e-2
`;

test.each([
  ["postern_in_flight", {}, 3],
  [
    "postern_messages_total",
    { disposition: "accept", category: "clean", direction: "inbound" },
    1200,
  ],
  ["postern_messages_total", { direction: "inbound" }, null],
  ["postern_messages", {}, null],
  ["postern_event_loop_delay_seconds", { percentile: "100" }, 0.045],
])("%s with %j is %s", (name, labels, value) => {
  expect(sample(PAGE, name, labels)).toBe(value);
});

test("the event loop's delay is told in milliseconds, or not at all", () => {
  expect(loopDelay(PAGE)).toEqual({ p999Ms: 12.5, maxMs: 45 });
  expect(loopDelay("postern_in_flight 0\n")).toBeNull();
});
