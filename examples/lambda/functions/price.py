"""The price of serving a model, by the platform team's list. It is deployed as the Lambda function `price`."""

USD_PER_HOUR = {"ml.t2.medium": 0.06, "ml.m5.large": 0.12, "ml.m5.xlarge": 0.23, "ml.g4dn.xlarge": 0.74}


def handler(event, context):
    instance = event["instance"]
    if instance not in USD_PER_HOUR:
        raise KeyError(f"{instance} is not on the list: {', '.join(USD_PER_HOUR)}")
    per_month = USD_PER_HOUR[instance] * event["machines"] * 24 * 30
    print(f"{event['machines']} of {instance}: {per_month:.2f} USD a month")
    return {"usd_per_month": round(per_month, 2)}
