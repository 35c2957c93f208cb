"""The ids that tests ask for, and what they need to know about the models behind them."""
TEXT = "anthropic.claude-3-haiku-20240307-v1:0"     # served by the default text model
EMBED = "amazon.titan-embed-text-v2:0"              # served by the default embedding model
ECHO = "craton.scripted-v1"                         # built in, answers with what it was asked


def user(text):
    """The messages of a conversation that one user's text begins."""
    return [{"role": "user", "content": [{"text": text}]}]


def text_of(reply):
    """The text of a Converse reply."""
    return "".join(block.get("text", "") for block in reply["output"]["message"]["content"])


def text_of_stream(events):
    """The text, the stop reason and the usage of a ConverseStream."""
    text, stop, usage = "", None, None
    for event in events:
        text += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        stop = event.get("messageStop", {}).get("stopReason", stop)
        usage = event.get("metadata", {}).get("usage", usage)
    return text, stop, usage
