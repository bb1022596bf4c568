"""OpenAI's moderations protocol in front of our scorer, so that its clients need nothing but another address.

What is scored is scored as by `/v1/score`; nothing is kept. `docs/openai.md` says what answers differ in.
"""
